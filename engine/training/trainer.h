#ifndef ADV_ENGINE_TRAINING_TRAINER_H_
#define ADV_ENGINE_TRAINING_TRAINER_H_

#include <ATen/core/Tensor.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/data/dataset.h"
#include "engine/nn/safetensors.h"
#include "engine/nn/vgg.h"
#include "engine/training/flat_parameters.h"
#include "engine/training/rmsprop.h"
#include "engine/training/settings.h"
#include "engine/training/validation_split.h"

namespace adv {

// One finished epoch. Losses are mean cross-entropies, accuracies in [0, 1];
// those of training are taken along the way, with dropout and flips. Without
// validation images the validation values are 0.
struct EpochRecord {
  double training_loss = 0;
  double training_accuracy = 0;
  double validation_loss = 0;
  double validation_accuracy = 0;
  double seconds = 0;
};

// Where an unfinished epoch stands.
struct EpochProgress {
  int64_t epoch = 0;         // from 1
  int64_t images = 0;        // done in this epoch
  int64_t images_total = 0;  // of one epoch
  double training_loss = 0;  // mean so far
  double training_accuracy = 0;
};

// Trains one network on the chosen images of a dataset.
//
// All randomness is keyed by (seed, epoch or step), so a run is a pure
// function of layers, data, settings, kind of device and, on a CPU, number of
// threads: interrupted by Checkpoint and Restore anywhere, it ends with the
// same weights, bit for bit. Dropout uses LibTorch's default generator of the
// device, which each step seeds anew.
//
// Not thread-safe; one Trainer at a time per device and process.
class Trainer {
 public:
  // `kept` are the indices of `dataset` to use, in rising order; a part of
  // them is set aside for validation. INVALID_ARGUMENT for settings out of
  // range or when no training image is left.
  static absl::StatusOr<std::unique_ptr<Trainer>> Create(
      std::vector<Layer> layers, const Dataset& dataset,
      const std::vector<int64_t>& kept, const TrainingSettings& settings,
      at::Device device);

  // Called every few steps; false asks to stop.
  using ProgressCallback = std::function<bool(const EpochProgress&)>;

  // Runs the rest of the current epoch and the validation after it. CANCELLED
  // if `progress` returned false: the epoch can be continued, here or after a
  // Checkpoint. OUT_OF_RANGE if the loss is not a finite number: this run
  // cannot go on. FAILED_PRECONDITION if finished.
  absl::StatusOr<EpochRecord> RunEpoch(const ProgressCallback& progress);

  // All epochs done, or stopped early.
  bool finished() const { return stopped_early() || all_epochs_done(); }
  bool stopped_early() const;

  // What a run needs to be continued, with a digest of its own. May be called
  // from within `progress`. FAILED_PRECONDITION once weights are not finite.
  absl::StatusOr<std::string> Checkpoint() const;
  // Continues from a checkpoint. Unchanged on failure: DATA_LOSS if the bytes
  // are damaged, FAILED_PRECONDITION if another run made them (says in what it
  // differs).
  absl::Status Restore(absl::string_view checkpoint);

  const std::vector<EpochRecord>& epochs() const { return epochs_; }
  // Number (from 1) of the epoch with the lowest validation loss, 0 before the
  // first has ended. Without validation images the last one.
  int64_t best_epoch() const;
  // The weights at the end of that epoch, float32 on the CPU.
  StateDict BestParameters() const;

  const TrainingSettings& settings() const { return settings_; }
  const ValidationSplit& split() const { return split_; }
  int64_t steps_per_epoch() const;
  int64_t steps_done() const {
    return static_cast<int64_t>(epochs_.size()) * steps_per_epoch() + step_;
  }
  // Spent in RunEpoch, in all runs up to their last checkpoints.
  double seconds() const { return seconds_; }

 private:
  Trainer(std::vector<Layer> layers, const Dataset& dataset,
          ValidationSplit split, const TrainingSettings& settings,
          at::Device device);

  bool all_epochs_done() const {
    return static_cast<int64_t>(epochs_.size()) >= settings_.max_epochs;
  }
  void StartEpoch();
  void Step();
  at::Tensor Batch(const at::Tensor& indices) const;
  EpochProgress Progress() const;
  absl::Status RunSteps(const ProgressCallback& progress);
  void Validate(EpochRecord* record) const;
  absl::StatusOr<EpochRecord> RunRestOfEpoch(const ProgressCallback& progress);
  // What must be the same for a checkpoint to fit.
  std::map<std::string, std::string> Identity() const;

  const std::vector<Layer> layers_;
  const TrainingSettings settings_;
  const at::Device device_;
  const ValidationSplit split_;
  const std::string data_digest_;
  const at::Tensor images_;  // [N, height, width, channels] uint8, on device_
  const at::Tensor labels_;  // [N] int64, on device_
  const at::Tensor validation_;  // indices into them, on device_

  FlatParameters parameters_;
  RmsProp optimizer_;
  at::Tensor best_values_;  // laid out like parameters_.values()
  std::vector<EpochRecord> epochs_;
  double seconds_ = 0;

  // The current epoch.
  int64_t step_ = 0;  // steps done in it
  double epoch_seconds_ = 0;
  at::Tensor loss_sum_;  // float64 scalar on device_, summed over images
  at::Tensor correct_;   // int64 scalar on device_
  at::Tensor order_;     // the epoch's indices into images_, on device_
  at::Tensor flips_;     // [images of an epoch] bool; undefined without flips
};

}  // namespace adv

#endif  // ADV_ENGINE_TRAINING_TRAINER_H_
