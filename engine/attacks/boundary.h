#ifndef ADV_ENGINE_ATTACKS_BOUNDARY_H_
#define ADV_ENGINE_ATTACKS_BOUNDARY_H_

#include <memory>

#include "engine/attacks/attack.h"
#include "engine/attacks/attack_config.h"

namespace adv {

// The Boundary attack (Brendel et al., arXiv 1712.04248), L2, by decisions
// alone (decision_attack.h). The walk stands at an image that fools, at
// distance D from the original. It first asks about a random image on the
// sphere of radius D, delta D away. If that fools, it asks about the image
// epsilon D nearer to the original. If that fools, too, the walk goes on from
// there.
//
// Both steps grow by half, or shrink accordingly, by the answers to their last
// questions (10 and 5). Delta is adapted until a fifth to half of the images on
// the sphere fool, which means that the boundary looks flat at that step;
// epsilon, until a tenth to a quarter of the nearer images do. The walk ends
// when epsilon falls below 1e-7.
std::unique_ptr<const Attack> MakeBoundary(const BoundaryConfig& config);

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_BOUNDARY_H_
