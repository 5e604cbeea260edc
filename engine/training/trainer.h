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

#include "engine/nn/safetensors.h"
#include "engine/nn/vgg.h"
#include "engine/training/dropout.h"
#include "engine/training/flat_parameters.h"
#include "engine/training/keyed_random.h"
#include "engine/training/objective.h"
#include "engine/training/rmsprop.h"
#include "engine/training/settings.h"
#include "engine/training/step_runner.h"
#include "engine/training/training_data.h"
#include "engine/training/validation_split.h"

namespace adv {

// One finished epoch. Losses are means of the objective, and accuracies lie in
// [0, 1]; with adversarial training they are those of the adversarial examples.
// Training values are taken along the way, with dropout and flips. Without
// validation images the validation values are 0.
struct EpochRecord {
  double training_loss = 0;
  double training_accuracy = 0;
  double validation_loss = 0;
  double validation_accuracy = 0;
  double seconds = 0;
};

// The state of an unfinished epoch.
struct EpochProgress {
  int64_t epoch = 0;         // from 1
  int64_t images = 0;        // done in this epoch
  int64_t images_total = 0;  // of one epoch
  double training_loss = 0;  // mean so far
  double training_accuracy = 0;
};

// Trains one network on the chosen images of a data set.
//
// All randomness is keyed by (seed, epoch or step). So a run is a pure function
// of layers, initial weights, data, settings, kind of device and, on a CPU,
// number of threads. On a CPU, a run that Checkpoint and Restore interrupt
// anywhere ends with the same weights, bit for bit.
//
// Not thread-safe, but any number of trainers may run at once, each in a thread
// of its own. On CUDA their work overlaps.
class Trainer {
 public:
  // `kept` are the indices of `data` to use, in rising order; a part of them is
  // set aside for validation. Weights in `initial` replace the Glorot-uniform
  // ones of the same names. INVALID_ARGUMENT if settings are out of range, if
  // no training image is left, or if initial weights do not fit.
  static absl::StatusOr<std::unique_ptr<Trainer>> Create(
      std::vector<Layer> layers, std::shared_ptr<const TrainingData> data,
      const std::vector<int64_t>& kept, const TrainingSettings& settings,
      const StateDict& initial = {});

  // Called every few steps; on accelerators once an epoch, because reading the
  // loss makes them wait. Returning false asks to stop.
  using ProgressCallback = std::function<bool(const EpochProgress&)>;

  // Runs the rest of the current epoch and the validation after it. CANCELLED
  // if `progress` returned false: the epoch can be continued, here or from a
  // Checkpoint. OUT_OF_RANGE if the loss is not a number or above max_loss:
  // this run cannot go on. FAILED_PRECONDITION if finished.
  absl::StatusOr<EpochRecord> RunEpoch(const ProgressCallback& progress);

  // True once all epochs are done or the run stopped early.
  bool finished() const { return stopped_early() || all_epochs_done(); }
  bool stopped_early() const;

  // All that is needed to continue the run, with a digest of its own. May be
  // called from within `progress`. FAILED_PRECONDITION once weights are not
  // finite.
  absl::StatusOr<std::string> Checkpoint() const;
  // Continues from a checkpoint. A failure changes nothing: DATA_LOSS if the
  // bytes are damaged, FAILED_PRECONDITION if another run made them (the
  // message says in what it differs).
  absl::Status Restore(absl::string_view checkpoint);

  const std::vector<EpochRecord>& epochs() const { return epochs_; }
  // The number (from 1) of the epoch with the lowest validation loss, 0 before
  // the first epoch has ended. Without validation images, the last epoch.
  int64_t best_epoch() const;
  // The weights at the end of that epoch, float32 on the CPU.
  StateDict BestParameters() const;

  const TrainingSettings& settings() const { return settings_; }
  const ValidationSplit& split() const { return split_; }
  int64_t steps_per_epoch() const;
  int64_t steps_done() const {
    return static_cast<int64_t>(epochs_.size()) * steps_per_epoch() + step_;
  }
  // The time spent in RunEpoch. Earlier runs count up to the checkpoint that
  // was restored.
  double seconds() const { return seconds_; }

 private:
  // Sums over the images of the current epoch, as read from the device.
  struct Sums {
    double training_loss = 0;
    double training_correct = 0;
    double validation_loss = 0;
    double validation_correct = 0;
  };

  Trainer(std::vector<Layer> layers, std::shared_ptr<const TrainingData> data,
          ValidationSplit split, const TrainingSettings& settings,
          const StateDict& initial, c10::Stream stream);

  bool all_epochs_done() const {
    return static_cast<int64_t>(epochs_.size()) >= settings_.max_epochs;
  }
  void StartEpoch();
  void ShuffleOnDevice();
  void ShuffleOnHost();
  void SeedGenerator(RandomStream stream, uint64_t counter);
  void Step();
  void LoadBatch(int64_t begin, int64_t count);
  TrainingBatch FirstOfBatch(int64_t count) const;
  void Learn(const TrainingBatch& batch);
  void Validate();
  Sums ReadSums() const;
  EpochProgress Progress(const Sums& sums) const;
  absl::Status Report(const Sums& sums, const ProgressCallback& progress);
  absl::StatusOr<EpochRecord> RunRestOfEpoch(const ProgressCallback& progress);
  // The facts that a checkpoint must share with this run to fit.
  std::map<std::string, std::string> Identity() const;

  const std::vector<Layer> layers_;
  const TrainingSettings settings_;
  const std::shared_ptr<const TrainingData> data_;
  const at::Device device_;
  const c10::Stream stream_;  // all device work goes there
  const ValidationSplit split_;
  const at::Tensor training_;  // indices into the data, on device_
  const at::Tensor validation_;
  const Objective objective_;

  FlatParameters parameters_;
  const std::string initial_digest_;
  RmsProp optimizer_;
  at::Tensor best_values_;  // laid out like parameters_.values()
  std::vector<EpochRecord> epochs_;
  double seconds_ = 0;

  // The current epoch.
  int64_t step_ = 0;  // steps done in it
  double epoch_seconds_ = 0;
  at::Tensor sums_;   // [4] float64 on device_, in the order of Sums
  at::Tensor order_;  // the epoch's indices into the data, on device_
  at::Tensor flips_;  // [images of an epoch] bool; undefined without flips

  // The current step: always the same memory, so that it can be replayed.
  at::Generator generator_;
  Dropout dropout_;
  TrainingBatch batch_;  // batch_size images, the last time perhaps fewer
  at::Tensor rate_;      // scalar float32 on device_
  const std::unique_ptr<StepRunner> runner_;
};

}  // namespace adv

#endif  // ADV_ENGINE_TRAINING_TRAINER_H_
