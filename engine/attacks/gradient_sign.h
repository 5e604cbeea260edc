#ifndef ADV_ENGINE_ATTACKS_GRADIENT_SIGN_H_
#define ADV_ENGINE_ATTACKS_GRADIENT_SIGN_H_

#include <memory>

#include "engine/attacks/attack.h"
#include "engine/attacks/attack_config.h"

namespace adv {

// The family that steps along the gradient's sign (L-inf only):
//   x_{n+1} = clip to ball and box of x_n + alpha sign(gradient at x_n),
// with a minus for targeted attacks. FGSM is its single step of epsilon.
//
// The gradient at the clean image serves all epsilons. With S steps, and the
// source being the target, an image costs S gradients and 1 forward at an
// epsilon (S - 1 gradients where the clean one is there already); the logits
// of the gradient passes are the verdicts of the iterates. With kAnyIterate an
// image that is first fooled at iterate n < S costs n + 1 gradients and no
// forward.
std::unique_ptr<const Attack> MakeFgsm(const FgsmConfig& config);
std::unique_ptr<const Attack> MakeIgsm(const IgsmConfig& config);

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_GRADIENT_SIGN_H_
