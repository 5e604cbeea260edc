#ifndef ADV_MODEL_STORE_TRAINER_PUBLISH_MODEL_H_
#define ADV_MODEL_STORE_TRAINER_PUBLISH_MODEL_H_

#include <absl/status/statusor.h>

#include <string>

#include "engine/data/imbalance.h"
#include "engine/training/trainer.h"
#include "model_store/trainer/options.h"
#include "model_store/trainer/train_model.h"

namespace adv {

// Rounds the best weights to the published precision, tests them as published
// and publishes them with their full record. Returns a line that says what was
// published; on failure nothing was.
absl::StatusOr<std::string> PublishModel(const TrainerOptions& options,
                                         const TrainingInputs& inputs,
                                         const ImbalanceRecipe& recipe,
                                         const Trainer& trainer);

}  // namespace adv

#endif  // ADV_MODEL_STORE_TRAINER_PUBLISH_MODEL_H_
