#ifndef ADV_MODEL_STORE_TRAINER_RUN_METER_H_
#define ADV_MODEL_STORE_TRAINER_RUN_METER_H_

#include <chrono>
#include <cstdint>

#include "engine/training/trainer.h"

namespace adv {

// The status of a model's run, for people and for metrics.
struct RunStatus {
  EpochProgress progress;
  int64_t max_epochs = 0;
  // If true, eta_seconds is an upper bound.
  bool may_stop_early = false;
  int64_t images_done = 0;       // trained on since the run began or continued
  double images_per_second = 0;  // since then
  double eta_seconds = 0;        // to the end of max_epochs at that rate
};

// Measures the speed of a run. A value.
class RunMeter {
 public:
  using Clock = std::chrono::steady_clock;

  // Measures from `start` on, when `images_done` images of all epochs were
  // done.
  RunMeter(int64_t images_done, int64_t max_epochs, bool may_stop_early,
           Clock::time_point start)
      : images_at_start_(images_done),
        max_epochs_(max_epochs),
        may_stop_early_(may_stop_early),
        start_(start) {}
  // Measures from now on, from the state of `trainer`.
  explicit RunMeter(const Trainer& trainer);

  RunStatus Measure(const EpochProgress& progress, Clock::time_point now) const;

 private:
  int64_t images_at_start_;
  int64_t max_epochs_;
  bool may_stop_early_;
  Clock::time_point start_;
};

}  // namespace adv

#endif  // ADV_MODEL_STORE_TRAINER_RUN_METER_H_
