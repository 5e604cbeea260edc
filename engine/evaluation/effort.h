#ifndef ADV_ENGINE_EVALUATION_EFFORT_H_
#define ADV_ENGINE_EVALUATION_EFFORT_H_

#include "engine/attacks/attack_config.h"

namespace adv {

// Whether `more` is the same attack as `less` with more steps, restarts,
// queries or target classes, and no other change. It should then do no worse.
// `epsilon` decides the number of steps where that follows from epsilon.
bool IsMoreOf(const AttackConfig& more, const AttackConfig& less,
              double epsilon);

}  // namespace adv

#endif  // ADV_ENGINE_EVALUATION_EFFORT_H_
