#ifndef ADV_ENGINE_EVALUATION_EFFORT_H_
#define ADV_ENGINE_EVALUATION_EFFORT_H_

#include "engine/attacks/attack_config.h"

namespace adv {

// Whether `more` is `less` with more steps, restarts, queries or target
// classes, and nothing else changed: it should then do no worse. `epsilon`
// decides steps that follow from it.
bool IsMoreOf(const AttackConfig& more, const AttackConfig& less,
              double epsilon);

}  // namespace adv

#endif  // ADV_ENGINE_EVALUATION_EFFORT_H_
