#ifndef ADV_ENGINE_ATTACKS_ATTACK_RUN_H_
#define ADV_ENGINE_ATTACKS_ATTACK_RUN_H_

// What goes into a run of an attack, and what comes out of it.

#include <ATen/core/Tensor.h>
#include <absl/status/status.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "engine/attacks/threat_model.h"

namespace adv {

// The images of one run.
struct AttackBatch {
  // [N, channels, height, width] float32 in [0, 1]; channels-last is not copied
  at::Tensor images;
  at::Tensor labels;   // [N] int64, the true classes
  at::Tensor targets;  // [N] int64, or undefined for an untargeted attack
  // [N] int64, what random numbers are keyed by: the images' indices in their
  // data set. If undefined, 0 to N - 1.
  at::Tensor samples;
  // [N, classes], the target network's logits of `images` where the caller
  // has them already; if undefined, Run finds them.
  at::Tensor clean_logits;
  // Images that are of a known class, [E, channels, height, width] as `images`,
  // and their classes, [E] int64; undefined if there are none. Where an attack
  // that goes by decisions alone starts on its way to a target.
  at::Tensor examples, example_classes;
};

// When an image counts as fooled.
enum class SuccessRule {
  kLastIterate,  // by the attack's final image alone
  kAnyIterate,   // by any image on the way; the first one is returned
};

struct RunOptions {
  Norm norm = Norm::kLinf;
  // At least one; in rising order is not required. Each gives a result of its
  // own, as if it were run alone, but work is shared where that is exact. What
  // finds the nearest image searches once for all (FAB's restarts start no
  // further away than the largest).
  std::vector<double> epsilons;
  SuccessRule success = SuccessRule::kLastIterate;
  // Results on the lattice of multiples of 1/255 inside the integer ball
  // floor(255 epsilon), verified as such, so that a saved PNG is the image.
  // The originals must lie on it to within a thousandth of a step.
  bool eight_bit = false;
  // Of whatever is random, with the images' `samples`.
  uint64_t seed = 0;
  // Called before each forward or gradient pass; not OK ends the run with
  // that status. Here a caller cancels, or lets more urgent work go first.
  std::function<absl::Status()> before_pass;
};

// All tensors are on the network's device; [N] is the batch's.
struct AttackResult {
  double epsilon = 0;
  at::Tensor images;  // [N, channels, height, width], channels-last
  at::Tensor logits;  // [N, classes], of `images`
  // [N] bool. Untargeted: no longer classified as the label (an image that
  // was wrong before counts as fooled at iteration 0). Targeted: classified
  // as the target.
  at::Tensor success;
  // [N] int64, the number of steps after which an iterate first fooled the
  // target: 0 if already the clean image or a random start did, -1 where
  // `success` is false. An attack of several runs (restarts, target classes,
  // members) counts those of the run that succeeded.
  // With a source of its own, the target sees the last iterate alone, so it is
  // 0, the number of all steps, or -1.
  at::Tensor iterations;
  at::Tensor zero_gradient;  // [N] bool: some gradient was zero everywhere
  // [N] int64, passes spent on the image, so that sums over the epsilons are
  // what was computed: the gradient at the clean image, which all epsilons
  // share, counts at the first of them. A gradient pass gives logits too; the
  // forwards are those without a gradient. The clean logits are not part of
  // the attack: where they cost a forward, it is not counted here.
  at::Tensor gradients;
  at::Tensor forwards;
  // [N] int64, AutoAttack alone: the member (from 0) whose image this is, -1
  // where none of them fooled: `success` is false, or the clean image did
  // already. Undefined for other attacks.
  at::Tensor member;
};

struct AttackOutcome {
  at::Tensor clean_logits;            // [N, classes]
  std::vector<AttackResult> results;  // one for each of RunOptions::epsilons
};

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_ATTACK_RUN_H_
