#ifndef ADV_MODEL_STORE_TRAINER_TRAIN_MODEL_H_
#define ADV_MODEL_STORE_TRAINER_TRAIN_MODEL_H_

#include <absl/status/status.h>

#include "model_store/lease.h"
#include "model_store/trainer/inputs.h"
#include "model_store/trainer/model_queue.h"
#include "model_store/trainer/options.h"
#include "model_store/trainer/reporter.h"

namespace adv {

// Trains one model, from its checkpoint if there is one, publishes it, and then
// removes the checkpoint. Until then the checkpoint stays, whatever fails, so
// that no training is lost. CANCELLED after a stop signal: the checkpoint then
// holds all that was done. ABORTED if `lease` was lost: nothing was written
// after the loss. May run for several models at once, each on a thread of its
// own.
absl::Status TrainModel(const TrainerOptions& options,
                        const TrainingInputs& inputs, const ModelTask& task,
                        Lease* lease, Reporter* reporter);

}  // namespace adv

#endif  // ADV_MODEL_STORE_TRAINER_TRAIN_MODEL_H_
