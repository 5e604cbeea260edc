#ifndef ADV_MODEL_STORE_TRAINER_TRAIN_ALL_H_
#define ADV_MODEL_STORE_TRAINER_TRAIN_ALL_H_

#include "model_store/trainer/inputs.h"
#include "model_store/trainer/options.h"
#include "model_store/trainer/reporter.h"

namespace adv {

// Trains and publishes all models of `inputs`. Several train at once, each on a
// thread of its own, and the next starts when one is done. If one model fails,
// the others go on. Returns the program's exit code: 0 if all are published or,
// without waiting, left to other workers; 1 if one failed; after a stop signal,
// 128 plus the signal's number, once every running model has its checkpoint.
int TrainAll(const TrainerOptions& options, const TrainingInputs& inputs,
             Reporter* reporter);

}  // namespace adv

#endif  // ADV_MODEL_STORE_TRAINER_TRAIN_ALL_H_
