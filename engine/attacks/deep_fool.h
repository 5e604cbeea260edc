#ifndef ADV_ENGINE_ATTACKS_DEEP_FOOL_H_
#define ADV_ENGINE_ATTACKS_DEEP_FOOL_H_

#include <memory>

#include "engine/attacks/attack.h"
#include "engine/attacks/attack_config.h"

namespace adv {

// DeepFool (Moosavi-Dezfooli et al., arXiv 1511.04599). Takes the boundaries
// between the label, which the image has not left yet, and all other classes
// for planes, and steps onto the nearest:
//   r = |f| / ||w||_2^2 w (L2),  |f| / ||w||_1 sign(w) (L-inf),
// with f the other class's margin and w its gradient, both at x + R, where R is
// the sum of all r so far; w is 0 where the box stops a pixel. The first
// x + (1 + overshoot) R that fools is the result. (Looking from there, as some
// implementations do, makes the overshoot one of the last step alone, which is
// too little where steps become small.) All points are clipped to the box.
// Targeted: the one plane between the target and its strongest rival. An image
// without a gradient is given up.
//
// A step costs classes - 1 gradients (targeted: one) and a forward.
std::unique_ptr<const Attack> MakeDeepFool(const DeepFoolConfig& config);

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_DEEP_FOOL_H_
