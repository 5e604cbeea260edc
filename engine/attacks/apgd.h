#ifndef ADV_ENGINE_ATTACKS_APGD_H_
#define ADV_ENGINE_ATTACKS_APGD_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/attacks/attack.h"
#include "engine/attacks/attack_config.h"

namespace adv {

// The numbers of steps after which APGD may halve its step size, in rising
// order and at most `steps`. The first is .22 of the steps. Each interval is
// .03 of the steps shorter than the one before it, down to .06. All are rounded
// down, but to no less than 1.
std::vector<int64_t> ApgdCheckpoints(int64_t steps);

// Auto-PGD (Croce and Hein, arXiv 2003.01690). It starts at a random point on
// the ball's surface, with a step size of 2 epsilon, and takes steps with a
// momentum of .75:
//   z = project(x_n + step_size direction(gradient)),
//   x_{n+1} = project(x_n + .75 (z - x_n) + .25 (x_n - x_{n-1})).
// A checkpoint halves an image's step size, and sends the image back to the
// point with its largest loss so far, in two cases: fewer than .75 of the steps
// since the last checkpoint raised the loss; or the last checkpoint did not
// halve the step size, and the largest loss has not grown since.
//
// An image that fools is done, whatever the SuccessRule. Its result is the
// clean image if that fools, else the first iterate that does. An image that
// never fools has the iterate with the largest loss as its result. With a
// source of its own, all images take all steps, and the result is the iterate
// with the source's largest loss; only further restarts and target classes
// leave out images that the source takes for fooled.
//
// Targets that the caller gives: cross-entropy descends L of the target, and
// targeted DLR climbs toward the target alone. Without such targets, targeted
// DLR leads to `target_classes` classes one after the other, with all restarts
// for each and with random starts of its own for each.
//
// S steps cost S gradients and 1 forward in a run. A source of its own makes it
// 2 forwards, and targeted DLR's choice of classes then costs 1 more. An image
// that is first fooled after n < S steps costs n + 1 gradients and no forward.
std::unique_ptr<const Attack> MakeApgd(const ApgdConfig& config);

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_APGD_H_
