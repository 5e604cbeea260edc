#ifndef ADV_SERVER_WIRE_CALL_COUNT_H_
#define ADV_SERVER_WIRE_CALL_COUNT_H_

#include <cstdint>

#include "server/compute/clock.h"
#include "server/compute/mutex.h"

namespace adv {

// Counts the calls that are not over, so that a drain can wait for the last
// one. Thread-safe.
class CallCount {
 public:
  // False after Close: then the call does not count and must be refused.
  [[nodiscard]] bool Begin() ADV_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    if (closed_) return false;
    ++calls_;
    return true;
  }
  void Close() ADV_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    closed_ = true;
  }
  // Of a call that Begin has counted.
  void End() ADV_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    if (--calls_ == 0) none_.NotifyAll();
  }
  // Returns when there are no calls, or at `time`.
  void AwaitNone(Clock::Time time) ADV_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    while (calls_ > 0 && clock_.Now() < time) {
      clock_.WaitUntil(none_, mutex_, time);
    }
  }

 private:
  RealClock clock_;
  Mutex mutex_;
  CondVar none_;
  bool closed_ ADV_GUARDED_BY(mutex_) = false;
  int64_t calls_ ADV_GUARDED_BY(mutex_) = 0;
};

}  // namespace adv

#endif  // ADV_SERVER_WIRE_CALL_COUNT_H_
