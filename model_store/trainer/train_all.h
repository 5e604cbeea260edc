#ifndef ADV_MODEL_STORE_TRAINER_TRAIN_ALL_H_
#define ADV_MODEL_STORE_TRAINER_TRAIN_ALL_H_

#include "model_store/trainer/inputs.h"
#include "model_store/trainer/options.h"
#include "model_store/trainer/reporter.h"

namespace adv {

// Trains and publishes all models of `inputs`, several at once, each on a
// thread of its own; the next one starts when one is done. One model's failure
// leaves the others running. Returns the program's exit code: 0 if all are
// published or, without waiting, left to other workers; 1 if one failed; 128
// plus its number after a stop signal, when every running model has its
// checkpoint.
int TrainAll(const TrainerOptions& options, const TrainingInputs& inputs,
             Reporter* reporter);

}  // namespace adv

#endif  // ADV_MODEL_STORE_TRAINER_TRAIN_ALL_H_
