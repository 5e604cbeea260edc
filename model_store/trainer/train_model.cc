#include "model_store/trainer/train_model.h"

#include <absl/strings/str_cat.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "engine/training/trainer.h"
#include "model_store/durable_file.h"
#include "model_store/trainer/progress.h"
#include "model_store/trainer/publish_model.h"
#include "model_store/trainer/stop_signal.h"

namespace adv {
namespace {

constexpr uint64_t kMaxCheckpointBytes = uint64_t{1} << 32;

absl::Status AtPath(const std::string& path, const absl::Status& status) {
  return {status.code(), absl::StrCat(path, ": ", status.message())};
}

// The file in which an unfinished run is kept.
class CheckpointFile {
 public:
  CheckpointFile(const TrainerOptions& options, const std::string& model)
      : path_(absl::StrCat(options.checkpoint_dir, "/", model, ".checkpoint")),
        interval_(options.checkpoint_seconds) {}

  const std::string& path() const { return path_; }

  // True if there was one.
  absl::StatusOr<bool> Load(Trainer* trainer) const {
    const absl::StatusOr<std::string> bytes =
        ReadFile(path_, kMaxCheckpointBytes);
    if (absl::IsNotFound(bytes.status())) return false;
    if (!bytes.ok()) return bytes.status();
    const absl::Status status = trainer->Restore(*bytes);
    if (status.ok()) return true;
    return AtPath(path_,
                  absl::Status(status.code(),
                               absl::StrCat(status.message(),
                                            " (to start over, remove it)")));
  }

  absl::Status Save(const Trainer& trainer) {
    const absl::StatusOr<std::string> bytes = trainer.Checkpoint();
    if (!bytes.ok()) return bytes.status();
    last_save_ = Clock::now();
    return WriteFileDurably(path_, *bytes);
  }

  bool due() const { return Clock::now() - last_save_ >= interval_; }

  // Nothing depends on its being gone.
  void Remove() const {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }

 private:
  using Clock = std::chrono::steady_clock;
  const std::string path_;
  const std::chrono::duration<double> interval_;
  Clock::time_point last_save_ = Clock::now();
};

// Runs to the end, to a stop signal or to an error.
absl::Status RunEpochs(CheckpointFile* file, ProgressPrinter* printer,
                       Trainer* trainer) {
  absl::Status saved;
  const auto on_progress = [&](const EpochProgress& progress) {
    printer->Update(progress);
    const bool stop = StopSignal() != 0;
    if (stop || file->due()) saved = file->Save(*trainer);
    return !stop && saved.ok();
  };
  while (!trainer->finished()) {
    const absl::StatusOr<EpochRecord> record = trainer->RunEpoch(on_progress);
    if (!saved.ok()) return saved;
    if (!record.ok()) return record.status();
    printer->EpochDone(static_cast<int64_t>(trainer->epochs().size()), *record);
    if (saved = file->Save(*trainer); !saved.ok()) return saved;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status TrainModel(const TrainerOptions& options,
                        const TrainingInputs& inputs,
                        const ImbalanceRecipe& recipe) {
  const absl::StatusOr<std::vector<int64_t>> kept =
      ApplyImbalance(inputs.training.labels, recipe);
  if (!kept.ok()) return kept.status();
  const absl::StatusOr<std::unique_ptr<Trainer>> trainer = Trainer::Create(
      inputs.layers, inputs.data, *kept, options.settings,
      inputs.initial ? inputs.initial->weights.parameters : StateDict());
  if (!trainer.ok()) return trainer.status();

  CheckpointFile file(options, recipe.name);
  const absl::StatusOr<bool> resumed = file.Load(trainer->get());
  if (!resumed.ok()) return resumed.status();
  ProgressPrinter printer(recipe.name, **trainer, stderr);
  if (*resumed) {
    printer.Note(absl::StrCat("continues after step ", (*trainer)->steps_done(),
                              " (epoch ", (*trainer)->epochs().size() + 1, ", ",
                              FormatDuration((*trainer)->seconds()),
                              " of training so far)"));
  } else {
    printer.Note(absl::StrCat(
        "training on ", (*trainer)->split().training.size(),
        " images, validating on ", (*trainer)->split().validation.size()));
  }

  if (absl::Status status = RunEpochs(&file, &printer, trainer->get());
      !status.ok()) {
    if (absl::IsCancelled(status)) {
      printer.Note(absl::StrCat("stopped; run the same command again to ",
                                "continue from ", file.path()));
    }
    return status;
  }
  printer.Note("trained; testing and publishing");
  const absl::StatusOr<std::string> published =
      PublishModel(options, inputs, recipe, **trainer);
  if (!published.ok()) return published.status();
  file.Remove();
  printer.Note(*published);
  return absl::OkStatus();
}

}  // namespace adv
