#ifndef ADV_ENGINE_TRAINING_LEARNING_RATE_H_
#define ADV_ENGINE_TRAINING_LEARNING_RATE_H_

#include <cstdint>

#include "engine/training/settings.h"

namespace adv {

// The step size after `updates` updates, where max_epochs have `total_updates`:
// Keras's learning_rate / (1 + decay * updates), times the factor of the last
// drop reached.
double LearningRateAt(const TrainingSettings& settings, int64_t updates,
                      int64_t total_updates);

}  // namespace adv

#endif  // ADV_ENGINE_TRAINING_LEARNING_RATE_H_
