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
// with f the other class's lead and w its gradient, both at
//   clip(x + (1 + overshoot) (sum of all r so far)),
// until that image fools. Targeted: the one plane between the target and its
// strongest rival. An image without a gradient is given up.
//
// One that fools after n < `steps` steps costs n (classes - 1) + 1 gradients
// (targeted: n + 1); after the last step the verdict is a forward.
std::unique_ptr<const Attack> MakeDeepFool(const DeepFoolConfig& config);

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_DEEP_FOOL_H_
