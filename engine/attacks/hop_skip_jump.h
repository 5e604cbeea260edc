#ifndef ADV_ENGINE_ATTACKS_HOP_SKIP_JUMP_H_
#define ADV_ENGINE_ATTACKS_HOP_SKIP_JUMP_H_

#include <memory>

#include "engine/attacks/attack.h"
#include "engine/attacks/attack_config.h"

namespace adv {

// HopSkipJump (Chen et al., arXiv 1904.02144), L-inf and L2, by decisions alone
// (decision_attack.h). Iteration t does three things. A binary search goes to
// the boundary, to within theta = 1 / (d sqrt(d)) of the way (L-inf: 1 / d^2).
// Then 100 sqrt(t) decisions at distance delta_t estimate the boundary's
// normal. At last a step along the normal (L-inf: along its sign) by distance /
// sqrt(t) is halved until the image fools.
//
// Two things differ from the authors' code: iterations go on as long as queries
// are left for a step after the estimate, and delta_t is at least so large that
// float32 pixels change.
std::unique_ptr<const Attack> MakeHopSkipJump(const HopSkipJumpConfig& config);

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_HOP_SKIP_JUMP_H_
