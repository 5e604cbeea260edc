#ifndef ADV_ENGINE_ATTACKS_CARLINI_WAGNER_H_
#define ADV_ENGINE_ATTACKS_CARLINI_WAGNER_H_

#include <memory>

#include "engine/attacks/attack.h"
#include "engine/attacks/attack_config.h"

namespace adv {

// Carlini and Wagner's L2 attack (arXiv 1608.04644). Adam (.9, .999, 1e-8)
// minimises
//   ||x' - x||_2^2 + c max(confidence - margin(x'), 0),  x' = (tanh v + 1) / 2,
// over v from arctanh(.999999 (2 x - 1)). Untargeted, the margin is that of the
// largest other logit over the label's; targeted, that of the target's over the
// largest other one. The constant c starts at `initial_constant`, grows tenfold
// until a search succeeds, and is bisected from then on. Each search starts
// anew. An image leaves a search when a tenth of its steps improved the loss by
// less than .01 %. Of all images on the way that fool with a margin of at least
// `confidence`, the nearest counts.
//
// Each Adam step of an image costs a gradient; there are no forwards. An
// image's iterations are the steps of the search that found it.
std::unique_ptr<const Attack> MakeCarliniWagner(
    const CarliniWagnerConfig& config);

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_CARLINI_WAGNER_H_
