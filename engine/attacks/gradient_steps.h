#ifndef ADV_ENGINE_ATTACKS_GRADIENT_STEPS_H_
#define ADV_ENGINE_ATTACKS_GRADIENT_STEPS_H_

#include <memory>

#include "engine/attacks/attack.h"
#include "engine/attacks/attack_config.h"

namespace adv {

// The attacks that take a fixed number of steps of one length along a gradient
// (stepping_attack.h): that of the loss L of the label, or of minus L of the
// target. The direction is the gradient's sign (L-inf), or the gradient as a
// unit vector (L2). FGSM takes a single step of epsilon.
//
// From the clean image, the first gradient serves all epsilons. If the source
// is the target, S steps of an image cost S gradients and 1 forward at each
// epsilon and restart (S - 1 gradients where the clean one is there already),
// because the logits of the gradient passes are the verdicts of the iterates.
// With kAnyIterate, an image that is first fooled at iterate n < S costs n + 1
// gradients and no forward. An image that one restart has fooled is not run
// again. If all restarts fail, the one with the largest objective counts.
std::unique_ptr<const Attack> MakeFgsm(const FgsmConfig& config);
std::unique_ptr<const Attack> MakeIgsm(const IgsmConfig& config);
std::unique_ptr<const Attack> MakeIterativeLeastLikely(
    const IterativeLeastLikelyConfig& config);
std::unique_ptr<const Attack> MakePgd(const PgdConfig& config);
std::unique_ptr<const Attack> MakeMiFgsm(const MiFgsmConfig& config);

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_GRADIENT_STEPS_H_
