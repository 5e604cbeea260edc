#ifndef ADV_ENGINE_ATTACKS_ATTACK_H_
#define ADV_ENGINE_ATTACKS_ATTACK_H_

#include <ATen/core/Tensor.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <vector>

#include "engine/attacks/attack_run.h"
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
};

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_ATTACK_H_
