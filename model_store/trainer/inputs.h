#ifndef ADV_MODEL_STORE_TRAINER_INPUTS_H_
#define ADV_MODEL_STORE_TRAINER_INPUTS_H_

#include <ATen/core/Tensor.h>
#include <absl/status/statusor.h>

#include <memory>
#include <optional>
#include <vector>

#include "engine/data/dataset.h"
#include "engine/nn/vgg.h"
#include "engine/training/training_data.h"
#include "model_store/trainer/initial_weights_file.h"
#include "model_store/trainer/model_queue.h"
#include "model_store/trainer/options.h"
#include "model_store/trainer/reporter.h"

namespace adv {

// The inputs that all models of a run share. They are checked before the first
// model starts.
struct TrainingInputs {
  // The models to train, in order, without those that are published already. If
  // there are none, nothing below is filled in.
  std::vector<ModelTask> tasks;
  std::vector<Layer> layers;
  std::optional<InitialWeightsFile> initial;  // of --init-from
  at::Device device = at::kCPU;
  TrainingSettings settings;  // the options', with what the device decides
  int models_at_once = 1;
  int threads_per_model = 1;  // of one computation on a CPU
  Dataset training;
  Dataset test;
  std::vector<Dataset> other_tests;
  std::shared_ptr<const TrainingData> uploaded;  // `training` on the device
};

// Finds every fault of a run before it starts: settings, names, folders, space,
// memory and data. Tells `reporter` which models are published already.
absl::StatusOr<TrainingInputs> PrepareInputs(const TrainerOptions& options,
                                             Reporter* reporter);

}  // namespace adv

#endif  // ADV_MODEL_STORE_TRAINER_INPUTS_H_
