#include "model_store/trainer/run_meter.h"

#include <algorithm>

namespace adv {
namespace {

int64_t ImagesDone(const Trainer& trainer) {
  const int64_t per_epoch =
      static_cast<int64_t>(trainer.split().training.size());
  const int64_t epochs = static_cast<int64_t>(trainer.epochs().size());
  const int64_t steps =
      trainer.steps_done() - epochs * trainer.steps_per_epoch();
  // The last step of an epoch may have fewer images than a batch.
  return epochs * per_epoch +
         std::min(per_epoch, steps * trainer.settings().batch_size);
}

}  // namespace

RunMeter::RunMeter(const Trainer& trainer)
    : RunMeter(ImagesDone(trainer), trainer.settings().max_epochs,
               trainer.settings().patience > 0, Clock::now()) {}

RunStatus RunMeter::Measure(const EpochProgress& progress,
                            Clock::time_point now) const {
  const int64_t total = max_epochs_ * progress.images_total;
  const int64_t done =
      (progress.epoch - 1) * progress.images_total + progress.images;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  RunStatus status;
  status.progress = progress;
  status.max_epochs = max_epochs_;
  status.may_stop_early = may_stop_early_;
  // Images from before a restart took time that this clock did not see.
  status.images_done = done - images_at_start_;
  status.images_per_second =
      static_cast<double>(status.images_done) / std::max(seconds, 1e-9);
  status.eta_seconds = static_cast<double>(total - done) /
                       std::max(status.images_per_second, 1e-9);
  return status;
}

}  // namespace adv
