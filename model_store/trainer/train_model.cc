#include "model_store/trainer/train_model.h"

#include <absl/strings/str_cat.h>

#include <cstdint>
#include <memory>
#include <string>

#include "engine/data/imbalance.h"
#include "engine/training/trainer.h"
#include "model_store/trainer/checkpoint_file.h"
#include "model_store/trainer/publish_model.h"
#include "model_store/trainer/run_meter.h"
#include "model_store/trainer/stop_signal.h"

namespace adv {
namespace {

// Runs until training ends, a stop signal comes, the lease is lost or an error
// occurs.
absl::Status RunEpochs(const std::string& model, const Lease& lease,
                       CheckpointFile* file, Reporter* reporter,
                       Trainer* trainer) {
  const RunMeter meter(*trainer);
  absl::Status status;
  const auto on_progress = [&](const EpochProgress& progress) {
    reporter->Update(model, meter.Measure(progress, RunMeter::Clock::now()));
    const bool stop = StopSignal() != 0;
    // RunEpoch only learns that it is to stop, so the reason is kept here. The
    // lease is looked at first: once it is lost, nothing may be written.
    status = lease.Check();
    if (status.ok() && (stop || file->due())) status = file->Save(*trainer);
    return !stop && status.ok();
  };
  while (!trainer->finished()) {
    const absl::StatusOr<EpochRecord> record = trainer->RunEpoch(on_progress);
    if (!status.ok()) return status;
    if (!record.ok()) return record.status();
    reporter->EpochDone(model, static_cast<int64_t>(trainer->epochs().size()),
                        trainer->settings().max_epochs, *record);
    // Saved after every epoch, so that a finished run can be published again.
    if (status = file->Save(*trainer); !status.ok()) return status;
  }
  return absl::OkStatus();
}

// A line about where the run starts.
std::string Beginning(const Trainer& trainer, bool resumed) {
  if (resumed) {
    return absl::StrCat("continues after step ", trainer.steps_done(),
                        " (epoch ", trainer.epochs().size() + 1, ", ",
                        FormatDuration(trainer.seconds()),
                        " of training so far)");
  }
  return absl::StrCat("training on ", trainer.split().training.size(),
                      " images, validating on ",
                      trainer.split().validation.size());
}

}  // namespace

absl::Status TrainModel(const TrainerOptions& options,
                        const TrainingInputs& inputs, const ModelTask& task,
                        Lease* lease, Reporter* reporter) {
  const absl::StatusOr<std::vector<int64_t>> kept =
      ApplyImbalance(inputs.training.labels, task.recipe);
  if (!kept.ok()) return kept.status();
  const absl::StatusOr<std::unique_ptr<Trainer>> trainer = Trainer::Create(
      inputs.layers, inputs.uploaded, *kept, inputs.settings,
      inputs.initial ? inputs.initial->weights.parameters : StateDict());
  if (!trainer.ok()) return trainer.status();

  CheckpointFile file(options.checkpoint_dir, task.name,
                      options.checkpoint_seconds, lease);
  const absl::StatusOr<bool> resumed = file.Load(trainer->get());
  if (!resumed.ok()) return resumed.status();
  reporter->Note(task.name, Beginning(**trainer, *resumed));
  absl::Status status =
      RunEpochs(task.name, *lease, &file, reporter, trainer->get());
  if (absl::IsCancelled(status)) {
    reporter->Note(task.name,
                   absl::StrCat("stopped; run the same command again to "
                                "continue from ",
                                file.path()));
  }
  if (!status.ok()) return status;
  reporter->Note(task.name, "trained; testing and publishing");
  const absl::StatusOr<std::string> published =
      PublishModel(options, inputs, task, **trainer, lease);
  if (!published.ok()) {
    return {published.status().code(),
            absl::StrCat("not published: ", published.status().message(),
                         "; once that is mended, the same command publishes ",
                         file.path(), " without training again")};
  }
  file.Remove();
  reporter->SetState(task.name, ModelState::kPublished, *published);
  return absl::OkStatus();
}

}  // namespace adv
