#ifndef ADV_ENGINE_ATTACKS_HOP_SKIP_JUMP_H_
#define ADV_ENGINE_ATTACKS_HOP_SKIP_JUMP_H_

#include <memory>

#include "engine/attacks/attack.h"
#include "engine/attacks/attack_config.h"

namespace adv {

// HopSkipJump (Chen et al., arXiv 1904.02144), L-inf and L2, by decisions alone
// (decision_attack.h). Iteration t goes by binary search to the
// boundary (to theta = 1 / (d sqrt(d)) of the way, L-inf: 1 / d^2), estimates
// the boundary's normal from 100 sqrt(t) decisions within delta_t of it, and
// steps along it (L-inf: along its sign) by distance / sqrt(t), halved until
// the image fools. As in the authors' code, but for two things: iterations go
// on while there are queries for a step after the estimate, and delta_t is at
// least so large that float32 pixels change.
std::unique_ptr<const Attack> MakeHopSkipJump(const HopSkipJumpConfig& config);

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_HOP_SKIP_JUMP_H_
