#ifndef ADV_SERVER_EVALUATIONS_PROGRESS_TIMER_H_
#define ADV_SERVER_EVALUATIONS_PROGRESS_TIMER_H_

#include <functional>
#include <thread>

#include "server/compute/clock.h"
#include "server/compute/mutex.h"

namespace adv {

// Calls a function again and again, on a thread of its own.
class ProgressTimer {
 public:
  // Calls `tick` when `interval` has passed since the last call returned, the
  // first time `interval` from now. `clock` is not owned and must outlive the
  // timer. `tick` must not throw.
  ProgressTimer(Clock* clock, Clock::Duration interval,
                std::function<void()> tick);
  // Waits for a tick that runs. Not from `tick`.
  ~ProgressTimer();
  ProgressTimer(const ProgressTimer&) = delete;
  ProgressTimer& operator=(const ProgressTimer&) = delete;

 private:
  void Loop(Clock::Time next) ADV_EXCLUDES(mutex_);
  // False: the timer is to stop.
  bool WaitUntil(Clock::Time next) ADV_EXCLUDES(mutex_);

  Clock& clock_;
  const Clock::Duration interval_;
  const std::function<void()> tick_;
  Mutex mutex_;
  CondVar stopped_changed_;
  bool stopped_ ADV_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace adv

#endif  // ADV_SERVER_EVALUATIONS_PROGRESS_TIMER_H_
