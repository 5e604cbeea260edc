#ifndef ADV_ENGINE_ATTACKS_ATTACK_RUN_H_
#define ADV_ENGINE_ATTACKS_ATTACK_RUN_H_

// What goes into a run of an attack, and what comes out of it.

#include <ATen/core/Tensor.h>
#include <absl/status/status.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "engine/attacks/threat_model.h"
#include "engine/nn/precision.h"

namespace adv {

// The images of one run.
struct AttackBatch {
  // [N, channels, height, width] float32 in [0, 1]; channels-last is not copied
  at::Tensor images;
  at::Tensor labels;   // [N] int64, the true classes
  at::Tensor targets;  // [N] int64, or undefined for an untargeted attack
  // [N] int64, the images' indices in their data set, which key the random
  // numbers. If undefined, 0 to N - 1.
  at::Tensor samples;
  // [N, classes], the target network's logits of `images`, if the caller has
  // them already. If undefined, Run computes them.
  at::Tensor clean_logits;
  // Images of known classes, [E, channels, height, width] as `images`, and
  // their classes, [E] int64; undefined if there are none. An attack by
  // decisions alone starts from them on its way to a target.
  at::Tensor examples, example_classes;
};

// When an image counts as fooled.
enum class SuccessRule {
  kLastIterate,  // by the attack's final image alone
  kAnyIterate,   // by any image on the way; the first one is returned
};

struct RunOptions {
  Norm norm = Norm::kLinf;
  // At least one, in any order. Each gives a result of its own, as if it were
  // run alone, but epsilons share work where that changes no result. An attack
  // that finds the nearest image searches once for all of them (FAB's restarts
  // start no further away than the largest epsilon).
  std::vector<double> epsilons;
  SuccessRule success = SuccessRule::kLastIterate;
  // Results on the lattice of multiples of 1/255 inside the integer ball
  // floor(255 epsilon), verified as such, so that a saved PNG is the image.
  // The originals must lie on it to within a thousandth of a step.
  bool eight_bit = false;
  // The seed of all random numbers, together with the images' `samples`.
  uint64_t seed = 0;
  // kFast: the attack runs with the target's fast passes. The target's float32
  // passes then judge what it found, and the attack runs again with these on
  // the images that are not fooled. So each verdict is float32's. Not for
  // transfers.
  Precision precision = Precision::kFloat32;
  // Called before each forward or gradient pass. A status that is not OK ends
  // the run with that status. A caller can cancel here, or let more urgent work
  // go first.
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
  // target: 0 if the clean image or a random start already did, -1 where
  // `success` is false. An attack of several runs (restarts, target classes,
  // members) counts the steps of the run that succeeded. With a source of its
  // own, the target sees the last iterate alone, so the number is 0, that of
  // all steps, or -1. With Precision::kFast the steps are those after which the
  // fast passes saw it fooled; where only float32 does, the passes spent on it.
  at::Tensor iterations;
  at::Tensor zero_gradient;  // [N] bool: some gradient was zero everywhere
  // [N] int64, the passes spent on each image. Their sum over the epsilons is
  // what was computed: the gradient at the clean image, which all epsilons
  // share, counts at the first of them. A gradient pass gives logits, too, and
  // the forwards are the passes without a gradient. The clean logits are not
  // part of the attack; if they cost a forward, it does not count here. In a
  // transfer the target's verdict on the result does.
  at::Tensor gradients;
  at::Tensor forwards;
  // [N] int64, AutoAttack alone: the member (from 0) that made this image. -1
  // where no member fooled: where `success` is false, or where the clean image
  // fooled already, and nowhere else. All by the target, whose verdict the
  // members of a transfer do not know. Undefined for other attacks.
  at::Tensor member;
};

// The same with its tensors on `device`; those that are there are shared.
AttackResult MovedTo(at::Device device, AttackResult result);

struct AttackOutcome {
  at::Tensor clean_logits;            // [N, classes]
  std::vector<AttackResult> results;  // one for each of RunOptions::epsilons
};

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_ATTACK_RUN_H_
