#ifndef ADV_SERVER_COMPUTE_CLOCK_H_
#define ADV_SERVER_COMPUTE_CLOCK_H_

#include <chrono>

#include "server/compute/mutex.h"

namespace adv {

// Time as the server sees it; tests hand in one they turn by hand
// (tests/server/manual_clock.h). Thread-safe.
class Clock {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Duration = std::chrono::steady_clock::duration;

  virtual ~Clock() = default;

  // Never goes back; for durations and deadlines.
  virtual Time Now() const = 0;
  // The date, for people.
  virtual std::chrono::system_clock::time_point Date() const = 0;
  // Returns when `condition` is notified, when Now() >= `time`, or for no
  // reason; gives up `mutex` meanwhile.
  virtual void WaitUntil(CondVar& condition, Mutex& mutex, Time time)
      ADV_REQUIRES(mutex) = 0;
};

class RealClock final : public Clock {
 public:
  Time Now() const override { return std::chrono::steady_clock::now(); }
  std::chrono::system_clock::time_point Date() const override {
    return std::chrono::system_clock::now();
  }
  void WaitUntil(CondVar& condition, Mutex& mutex, Time time) override
      ADV_REQUIRES(mutex) {
    condition.WaitUntil(mutex, time);
  }
};

inline double Seconds(Clock::Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace adv

#endif  // ADV_SERVER_COMPUTE_CLOCK_H_
