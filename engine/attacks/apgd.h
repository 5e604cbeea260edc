#ifndef ADV_ENGINE_ATTACKS_APGD_H_
#define ADV_ENGINE_ATTACKS_APGD_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/attacks/attack.h"
#include "engine/attacks/attack_config.h"

namespace adv {

// The numbers of steps after which APGD may halve its step size, rising, at
// most `steps`: first .22 of the steps, then after intervals that shrink by
// .03 of them down to .06; each rounded down, at least 1.
std::vector<int64_t> ApgdCheckpoints(int64_t steps);

// Auto-PGD (Croce and Hein, arXiv 2003.01690). From a random point on the
// ball's surface, steps of first 2 epsilon and a momentum of .75:
//   z = project(x_n + step_size direction(gradient)),
//   x_{n+1} = project(x_n + .75 (z - x_n) + .25 (x_n - x_{n-1})).
// At a checkpoint an image's step size is halved, and it goes on from the
// point with the largest loss so far, if fewer than .75 of the steps since the
// last one raised the loss, or if the largest loss is that of the last one,
// where the step size was not halved.
//
// An image that fools is done, whatever the SuccessRule: the clean image if it
// does, else the first iterate that did. Otherwise its result is the iterate
// with the largest loss. With a source of its own all steps are taken, from
// all images, and the iterate is the one with the source's largest loss; only
// further restarts and target classes look at what fooled the target.
//
// Targets of the caller's: cross-entropy descends L of the target; targeted
// DLR climbs toward it alone. Targeted DLR without takes target classes one by
// one, all restarts of each, with starts of their own.
//
// S steps cost S gradients and 1 forward in a run (with a source of its own, 2
// forwards, and 1 for targeted DLR's choice of classes); an image that is first
// fooled after n < S of them n + 1 gradients and no forward.
std::unique_ptr<const Attack> MakeApgd(const ApgdConfig& config);

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_APGD_H_
