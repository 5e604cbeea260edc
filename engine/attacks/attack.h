#ifndef ADV_ENGINE_ATTACKS_ATTACK_H_
#define ADV_ENGINE_ATTACKS_ATTACK_H_

#include <ATen/core/Tensor.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <vector>

#include "engine/attacks/attack_run.h"
#include "engine/attacks/attack_traits.h"
#include "engine/attacks/threat_model.h"
#include "engine/nn/network.h"

namespace adv {

class AttackedModel;
struct Candidates;

// What is attacked, as far as it decides whether an attack can do it.
struct AttackProblem {
  int64_t values_per_image = 0;  // channels * height * width
  int64_t classes = 0;
  bool targeted = false;
};

// INVALID_ARGUMENT if there is no epsilon or one is out of range, if an attack
// of such traits does not have that norm (the message names what it has) or
// goal or needs more classes, or if 8-bit results are asked of one that may
// leave the box. All violations at once, joined with "; ", each "field: what
// is wrong".
absl::Status ValidateRun(const AttackTraits& traits, const RunOptions& options,
                         const AttackProblem& problem);

// An attack. Thread-safe: immutable once made.
//
// Run keeps the promise for all attacks: whatever Perturb proposes is checked
// again, and an image outside its ball or the box (by more than float32
// rounding, see Ball::Check) is an INTERNAL error, never a result.
class Attack {
 public:
  explicit Attack(const AttackTraits& traits = {}) : traits_(traits) {}
  virtual ~Attack() = default;

  const AttackTraits& traits() const { return traits_; }

  // INVALID_ARGUMENT if `options` are not valid (ValidateRun), shapes disagree,
  // a pixel is NaN or outside [0, 1], a label or target is not a class, a
  // target equals its label, or kAnyIterate meets a source of its own. INTERNAL
  // if a network gives a value that is not finite. Gradients come from
  // `source`, which is `target` itself (the same object) but for transfer; the
  // verdict (logits, success) always from `target`.
  absl::StatusOr<AttackOutcome> Run(const Network& target,
                                    const Network& source,
                                    const AttackBatch& batch,
                                    const RunOptions& options) const;

 protected:
  // One proposal per epsilon, in order: images, logits of exactly those
  // images, the iterations at which they were first fooled (-1: never), and
  // the costs (AttackedModel::ChargeTo). Run fills in the rest. `batch` is
  // valid, on the target's device, and on the lattice if 8-bit results are
  // asked.
  virtual absl::StatusOr<std::vector<AttackResult>> Perturb(
      AttackedModel& model, const AttackBatch& batch,
      const RunOptions& options) const = 0;

  // Fills in `fooled` and `objective`, by which the best of several runs is
  // chosen: the target's verdict or, for a transfer, the source's, since who
  // crafts for a transfer never asks the target. A run that is not
  // `one_of_several` is spared the source's pass; then they are the target's.
  static absl::Status Judge(AttackedModel& model, bool one_of_several,
                            Candidates& found);

  // For an attack that is made of others: what `attack` proposes for the
  // images of `batch` at `rows` [M] int64 alone, as tensors of M. Its costs
  // are in the results, and `pass` is charged with them.
  static absl::StatusOr<std::vector<AttackResult>> PerturbRows(
      const Attack& attack, AttackedModel& model, const AttackBatch& batch,
      const at::Tensor& rows, const RunOptions& options);

 private:
  const AttackTraits traits_;
};

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_ATTACK_H_
