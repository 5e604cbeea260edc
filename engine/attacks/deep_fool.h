#ifndef ADV_ENGINE_ATTACKS_DEEP_FOOL_H_
#define ADV_ENGINE_ATTACKS_DEEP_FOOL_H_

#include <memory>

#include "engine/attacks/attack.h"
#include "engine/attacks/attack_config.h"

namespace adv {

// DeepFool (Moosavi-Dezfooli et al., arXiv 1511.04599). It takes the boundaries
// between the label, whose region the image has not left yet, and all other
// classes for planes, and steps onto the nearest:
//   r = |f| / ||w||_2^2 w (L2),  |f| / ||w||_1 sign(w) (L-inf).
// Here f is the other class's margin and w its gradient, both at x + R, and R
// is the sum of all r so far. Where the box stops a pixel, w is 0. The first x
// + (1 + overshoot) R that fools is the result. (Some implementations take f
// and w there instead. Then only the last step is overshot, which is too little
// where steps become small.) All points are clipped to the box. Targeted, there
// is one plane, between the target and its strongest rival. An image without a
// gradient, or with one so small that the step has no length in float32, is
// given up.
//
// A step costs a forward and classes - 1 gradients (targeted: one).
std::unique_ptr<const Attack> MakeDeepFool(const DeepFoolConfig& config);

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_DEEP_FOOL_H_
