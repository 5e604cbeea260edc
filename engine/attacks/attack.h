#ifndef ADV_ENGINE_ATTACKS_ATTACK_H_
#define ADV_ENGINE_ATTACKS_ATTACK_H_

#include <ATen/core/Tensor.h>
#include <absl/status/statusor.h>

#include <functional>
#include <memory>
#include <vector>

#include "engine/attacks/attack_config.h"
#include "engine/attacks/threat_model.h"
#include "engine/nn/network.h"

namespace adv {

struct Candidates;

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

// What is attacked, as far as it decides whether an attack can do it.
struct AttackProblem {
  int64_t values_per_image = 0;  // channels * height * width
  int64_t classes = 0;
  bool targeted = false;
};

// An attack. Thread-safe: immutable once made.
//
// Run keeps the promise for all attacks: whatever Perturb proposes is checked
// again, and an image outside its ball or the box (by more than float32
// rounding, see Ball::Check) is an INTERNAL error, never a result.
class Attack {
 public:
  virtual ~Attack() = default;

  // INVALID_ARGUMENT if there is no epsilon or one is out of range, if the
  // attack does not have that norm (the message names what it has) or goal or
  // needs more classes, or if 8-bit results are asked of an attack that may
  // leave the box. All violations at once, joined with "; ", each "field: what
  // is wrong".
  absl::Status Validate(const RunOptions& options,
                        const AttackProblem& problem) const;

  // INVALID_ARGUMENT if `options` are not valid, shapes disagree, a pixel is
  // NaN or outside [0, 1], a label or target is not a class, a target equals
  // its label, or kAnyIterate meets a source of its own. INTERNAL if a network
  // gives a value that is not finite. Gradients come from `source`, which is
  // `target` itself (the same object) but for transfer; the verdict (logits,
  // success) always from `target`.
  absl::StatusOr<AttackOutcome> Run(const Network& target,
                                    const Network& source,
                                    const AttackBatch& batch,
                                    const RunOptions& options) const;

  virtual bool HasNorm(Norm norm) const = 0;
  // Whether it can lead to a class that the caller chose.
  virtual bool TakesTargets() const { return true; }
  // The fewest classes that its loss is defined for.
  virtual int64_t MinClasses() const { return 2; }
  // Whether on its way to a target it starts at AttackBatch::examples.
  virtual bool StartsAtExamples() const { return false; }
  // Whether results may leave the box: the thesis mode of FGSM alone.
  virtual bool MayLeaveBox() const { return false; }

 protected:
  // What Perturb sees of the networks: counting, the hook and the check for
  // finite values are inside (pass.h).
  class Pass;
  // One proposal per epsilon, in order: images, logits of exactly those
  // images, the iterations at which they were first fooled (-1: never), and
  // the costs (Pass::ChargeTo). Run fills in the rest. `batch` is valid, on
  // the target's device, and on the lattice if 8-bit results are asked.
  virtual absl::StatusOr<std::vector<AttackResult>> Perturb(
      Pass& pass, const AttackBatch& batch,
      const RunOptions& options) const = 0;

  // Fills in `fooled` and `objective`, by which the best of several runs is
  // chosen: the target's verdict or, for a transfer, the source's, since who
  // crafts for a transfer never asks the target. A run that is not
  // `one_of_several` is spared the source's pass; then they are the target's.
  static absl::Status Judge(Pass& pass, bool one_of_several, Candidates& found);

  // For an attack that is made of others: what `attack` proposes for the
  // images of `batch` at `rows` [M] int64 alone, as tensors of M. Its costs
  // are in the results, and `pass` is charged with them.
  static absl::StatusOr<std::vector<AttackResult>> PerturbRows(
      const Attack& attack, Pass& pass, const AttackBatch& batch,
      const at::Tensor& rows, const RunOptions& options);
};

// The single switch from a config to its attack; validates the config.
absl::StatusOr<std::unique_ptr<const Attack>> MakeAttack(
    const AttackConfig& config);

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_ATTACK_H_
