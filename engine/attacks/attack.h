#ifndef ADV_ENGINE_ATTACKS_ATTACK_H_
#define ADV_ENGINE_ATTACKS_ATTACK_H_

#include <ATen/core/Tensor.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/attacks/attack_run.h"
#include "engine/attacks/attack_traits.h"
#include "engine/attacks/threat_model.h"
#include "engine/nn/network.h"

namespace adv {

class AttackedModel;
struct Candidates;

// The facts about a batch and its model that decide whether an attack applies.
struct AttackProblem {
  int64_t values_per_image = 0;  // channels * height * width
  int64_t classes = 0;
  bool targeted = false;
};

// INVALID_ARGUMENT if there is no epsilon, if an epsilon is out of range, if an
// attack with these traits lacks the norm (the message names the one it has) or
// the goal, if it needs more classes, or if 8-bit results are asked of an
// attack that may leave the box. The message lists all violations, joined with
// "; ", each as "field: what is wrong".
absl::Status ValidateRun(const AttackTraits& traits, const RunOptions& options,
                         const AttackProblem& problem);

// An attack. Thread-safe: immutable once made.
//
// Run keeps the promise for all attacks: it checks again whatever Perturb
// proposes. An image outside its ball or the box (by more than float32
// rounding, see Ball::Check) becomes an INTERNAL error and never a result.
class Attack {
 public:
  explicit Attack(const AttackTraits& traits = {}) : traits_(traits) {}
  virtual ~Attack() = default;

  const AttackTraits& traits() const { return traits_; }

  // INVALID_ARGUMENT if `options` are not valid (ValidateRun), if shapes
  // disagree, if a pixel is NaN or outside [0, 1], if a label or target is not
  // a class, if a target equals its label, or if kAnyIterate meets a source of
  // its own. INTERNAL if a network gives a value that is not finite. Gradients
  // come from `source`, which is the same object as `target` unless this is a
  // transfer. The verdict (logits, success) always comes from `target`.
  absl::StatusOr<AttackOutcome> Run(const Network& target,
                                    const Network& source,
                                    const AttackBatch& batch,
                                    const RunOptions& options) const;

  // The two halves of a transfer, so that one source's images can be shown to
  // many targets: Run is Show after Craft. Both check what Run checks.
  //
  // Craft gives a result for each epsilon, without `logits` and `success`;
  // `iterations` are the steps that made each image, and `member` the member,
  // whether they fool or not. It does not read `batch.clean_logits`.
  absl::StatusOr<std::vector<AttackResult>> Craft(
      const Network& source, const AttackBatch& batch,
      const RunOptions& options) const;
  // Takes what Craft gave for the same images, labels, targets and options, on
  // any device. An image that two epsilons share, or that is the original, is
  // shown once.
  absl::StatusOr<AttackOutcome> Show(const Network& target,
                                     const std::vector<AttackResult>& crafted,
                                     const AttackBatch& batch,
                                     const RunOptions& options) const;

 protected:
  // Returns one proposal per epsilon, in order: images, the logits of exactly
  // those images, the iterations at which they were first fooled (-1: never),
  // and the costs (AttackedModel::ChargeTo). Run fills in the rest. `batch` is
  // valid and on the target's device; its images are on the lattice if 8-bit
  // results are asked.
  virtual absl::StatusOr<std::vector<AttackResult>> Perturb(
      AttackedModel& model, const AttackBatch& batch,
      const RunOptions& options) const = 0;

  // Fills in `fooled` and `objective`, which choose the best of several runs.
  // They come from the target's logits. For a transfer they come from the
  // source's, because an attacker who crafts for a transfer cannot ask the
  // target. If the run is not `one_of_several`, nothing is chosen, and the
  // source's pass is saved.
  static absl::Status Judge(AttackedModel& model, bool one_of_several,
                            Candidates& found);

  // For an attack that is made of others: returns what `attack` proposes for
  // the images of `batch` at `rows` [M] int64 alone, as tensors of M. The
  // results hold its costs, with which the caller charges a model.
  static absl::StatusOr<std::vector<AttackResult>> PerturbRows(
      const Attack& attack, AttackedModel& model, const AttackBatch& batch,
      const at::Tensor& rows, const RunOptions& options);

 private:
  // Run with Precision::kFast. The arguments are checked.
  absl::StatusOr<AttackOutcome> RunFast(const Network& target,
                                        const AttackBatch& batch,
                                        const RunOptions& options) const;
  // Attacks again, at each of these places among the epsilons, the images that
  // are not fooled there.
  absl::Status AttackAgain(AttackedModel& model, const AttackBatch& batch,
                           const RunOptions& options,
                           const std::vector<size_t>& places,
                           AttackOutcome& outcome) const;
  // Perturb, and checks of what it gave.
  absl::StatusOr<std::vector<AttackResult>> Propose(
      AttackedModel& model, const AttackBatch& ready,
      const RunOptions& options) const;

  const AttackTraits traits_;
};

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_ATTACK_H_
