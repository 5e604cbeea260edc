#ifndef ADV_MODEL_STORE_TRAINER_TRAIN_MODEL_H_
#define ADV_MODEL_STORE_TRAINER_TRAIN_MODEL_H_

#include <ATen/core/Tensor.h>
#include <absl/status/status.h>

#include <memory>
#include <optional>
#include <vector>

#include "engine/data/dataset.h"
#include "engine/data/imbalance.h"
#include "engine/nn/vgg.h"
#include "engine/training/training_data.h"
#include "model_store/trainer/initial_weights_file.h"
#include "model_store/trainer/options.h"

namespace adv {

// What all models of a run share; checked before the first of them starts.
struct TrainingInputs {
  Dataset training;
  std::shared_ptr<const TrainingData> data;  // `training` on the device
  Dataset test;
  std::vector<Dataset> other_tests;
  std::vector<Layer> layers;
  std::optional<InitialWeightsFile> initial;
  at::Device device = at::kCPU;
  // In the order in which they are trained.
  std::vector<ImbalanceRecipe> recipes;
};

// Trains one model, continuing from its checkpoint if there is one, and
// publishes it; then removes the checkpoint. CANCELLED after a stop signal:
// the checkpoint then holds all that was done.
absl::Status TrainModel(const TrainerOptions& options,
                        const TrainingInputs& inputs,
                        const ImbalanceRecipe& recipe);

}  // namespace adv

#endif  // ADV_MODEL_STORE_TRAINER_TRAIN_MODEL_H_
