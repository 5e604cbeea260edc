#ifndef ADV_ENGINE_ATTACKS_FAB_H_
#define ADV_ENGINE_ATTACKS_FAB_H_

#include <memory>

#include "engine/attacks/attack.h"
#include "engine/attacks/attack_config.h"

namespace adv {

// Fast adaptive boundary (Croce and Hein, arXiv 1907.02044), as its authors'
// AutoAttack implements it. Each step takes the boundary for a plane. It finds
// the moves d of the iterate x_n and d_0 of the original x_0 onto that plane
// inside the box, and goes to
//   clip((1 - a) (x_n + eta d) + a (x_0 + eta d_0)),
//   a = min(alpha_max, |d| / (|d| + |d_0|)).
// An iterate that fools is kept if it is the nearest so far, and the next step
// starts from x_0 + beta (x_n - x_0).
//
// The boundary is the one nearest to x_n of those to all other classes. FAB-T
// takes the boundary to each of `target_classes` classes in turn. Targets that
// the caller gives make it the boundary between the target and its strongest
// rival.
//
// The first walk starts at the original. Restarts start at random, at half the
// distance of the nearest image found so far or at half the largest epsilon,
// whichever is less.
//
// Walks from the original to several classes share passes, as the gradients of
// untargeted FAB do. A step costs a forward and a gradient (untargeted FAB: one
// gradient for each other class). Iterations are the steps of the walk that
// found the image.
std::unique_ptr<const Attack> MakeFab(const FabConfig& config);

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_FAB_H_
