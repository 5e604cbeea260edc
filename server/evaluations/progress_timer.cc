#include "server/evaluations/progress_timer.h"

#include <utility>

namespace adv {

ProgressTimer::ProgressTimer(Clock* clock, Clock::Duration interval,
                             std::function<void()> tick)
    : clock_(*clock), interval_(interval), tick_(std::move(tick)) {
  // The time is read here: the thread may begin at any later time.
  const Clock::Time first = clock_.Now() + interval_;
  thread_ = std::thread([this, first] { Loop(first); });
}

ProgressTimer::~ProgressTimer() {
  {
    MutexLock lock(mutex_);
    stopped_ = true;
    stopped_changed_.NotifyAll();
  }
  thread_.join();
}

void ProgressTimer::Loop(Clock::Time next) {
  while (WaitUntil(next)) {
    // Without the lock, so that the destructor can tell the thread to stop
    // meanwhile.
    tick_();
    next = clock_.Now() + interval_;
  }
}

// False if the timer was stopped.
bool ProgressTimer::WaitUntil(Clock::Time next) {
  MutexLock lock(mutex_);
  while (!stopped_ && clock_.Now() < next) {
    clock_.WaitUntil(stopped_changed_, mutex_, next);
  }
  return !stopped_;
}

}  // namespace adv
