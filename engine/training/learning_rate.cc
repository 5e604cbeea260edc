#include "engine/training/learning_rate.h"

namespace adv {

double LearningRateAt(const TrainingSettings& settings, int64_t updates,
                      int64_t total_updates) {
  // The drops rise, so the last one that is reached decides.
  double factor = 1;
  for (const LearningRateDrop& drop : settings.learning_rate_drops) {
    if (updates >= drop.after_fraction * total_updates) factor = drop.factor;
  }
  return factor * settings.learning_rate /
         (1 + settings.decay_per_update * updates);
}

}  // namespace adv
