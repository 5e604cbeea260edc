#ifndef ADV_ENGINE_ATTACKS_BOUNDARY_H_
#define ADV_ENGINE_ATTACKS_BOUNDARY_H_

#include <memory>

#include "engine/attacks/attack.h"
#include "engine/attacks/attack_config.h"

namespace adv {

// The Boundary attack (Brendel et al., arXiv 1712.04248), L2, by decisions
// alone (decision_attack.h). From an image that fools, at distance D of the
// original, it asks about a random one on the sphere of radius D, delta D away,
// and where that fools about the one epsilon D nearer; where that fools too, it
// is where the walk goes on. Both steps grow by half or shrink as their last
// questions (10 and 5) were answered: delta keeps between a fifth and half of
// the images on the sphere fooling, as the boundary is flat to small steps, and
// epsilon a tenth to a quarter of those that are nearer. The walk ends when
// epsilon falls below 1e-7.
std::unique_ptr<const Attack> MakeBoundary(const BoundaryConfig& config);

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_BOUNDARY_H_
