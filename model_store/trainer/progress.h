#ifndef ADV_MODEL_STORE_TRAINER_PROGRESS_H_
#define ADV_MODEL_STORE_TRAINER_PROGRESS_H_

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

#include "engine/training/trainer.h"

namespace adv {

// "1h02m", "12m30s", "8s".
std::string FormatDuration(double seconds);

// Tells how one model's training goes: on a terminal a line that is redrawn,
// otherwise a plain line every ten seconds or so; a line for each epoch.
class ProgressPrinter {
 public:
  // `out` must outlive this.
  ProgressPrinter(std::string model, const Trainer& trainer, std::FILE* out);

  void Update(const EpochProgress& progress);
  void EpochDone(int64_t epoch, const EpochRecord& record);
  // A line of its own.
  void Note(const std::string& text);

 private:
  using Clock = std::chrono::steady_clock;

  std::string Line(const EpochProgress& progress) const;

  const std::string model_;
  const int64_t max_epochs_;
  const bool may_stop_early_;
  std::FILE* const out_;
  const bool terminal_;
  const Clock::time_point start_ = Clock::now();
  const int64_t images_at_start_;
  Clock::time_point last_print_ = start_;
};

}  // namespace adv

#endif  // ADV_MODEL_STORE_TRAINER_PROGRESS_H_
