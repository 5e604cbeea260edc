#ifndef ADV_TESTS_SERVER_MANUAL_CLOCK_H_
#define ADV_TESTS_SERVER_MANUAL_CLOCK_H_

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "server/compute/clock.h"
#include "server/compute/mutex.h"

namespace adv {

// Time that stands still until a test moves it. What waits on it must outlive
// a call of Advance.
class ManualClock final : public Clock {
 public:
  Time Now() const override {
    MutexLock lock(mutex_);
    return now_;
  }

  std::chrono::system_clock::time_point Date() const override {
    return std::chrono::system_clock::time_point(
        std::chrono::duration_cast<std::chrono::system_clock::duration>(
            Now().time_since_epoch()));
  }

  void WaitUntil(CondVar& condition, Mutex& mutex, Time time) override
      ADV_REQUIRES(mutex) {
    const std::pair<CondVar*, Mutex*> waiter(&condition, &mutex);
    {
      MutexLock lock(mutex_);
      if (now_ >= time) return;
      waiters_.push_back(waiter);
      arrived_.NotifyAll();
    }
    // Advance takes `mutex` before it notifies, so it cannot fall in between.
    condition.Wait(mutex);
    MutexLock lock(mutex_);
    waiters_.erase(std::find(waiters_.begin(), waiters_.end(), waiter));
  }

  void Advance(Duration duration) {
    std::vector<std::pair<CondVar*, Mutex*>> waiters;
    {
      MutexLock lock(mutex_);
      now_ += duration;
      waiters = waiters_;
    }
    for (const auto& [condition, mutex] : waiters) {
      MutexLock lock(*mutex);
      condition->NotifyAll();
    }
  }

  // Returns once someone waits for a time.
  void AwaitWaiter() {
    MutexLock lock(mutex_);
    while (waiters_.empty()) arrived_.Wait(mutex_);
  }

 private:
  mutable Mutex mutex_;
  CondVar arrived_;
  // 2023-11-14, as a date.
  Time now_ ADV_GUARDED_BY(mutex_){std::chrono::seconds(1'700'000'000)};
  std::vector<std::pair<CondVar*, Mutex*>> waiters_ ADV_GUARDED_BY(mutex_);
};

}  // namespace adv

#endif  // ADV_TESTS_SERVER_MANUAL_CLOCK_H_
