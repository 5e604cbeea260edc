#ifndef ADV_MODEL_STORE_TRAINER_PUBLISH_MODEL_H_
#define ADV_MODEL_STORE_TRAINER_PUBLISH_MODEL_H_

#include <absl/status/statusor.h>

#include <string>

#include "engine/training/trainer.h"
#include "model_store/lease.h"
#include "model_store/trainer/inputs.h"
#include "model_store/trainer/model_queue.h"
#include "model_store/trainer/options.h"

namespace adv {

// Rounds the best weights to the published precision, tests the rounded weights
// and publishes them with their full record. Returns a line about the published
// version. After a failure nothing is published. ABORTED if `lease` is lost.
absl::StatusOr<std::string> PublishModel(const TrainerOptions& options,
                                         const TrainingInputs& inputs,
                                         const ModelTask& task,
                                         const Trainer& trainer, Lease* lease);

}  // namespace adv

#endif  // ADV_MODEL_STORE_TRAINER_PUBLISH_MODEL_H_
