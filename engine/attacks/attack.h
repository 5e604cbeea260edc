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

// The images of one run.
struct AttackBatch {
  at::Tensor images;   // [N, channels, height, width] float32 in [0, 1]
  at::Tensor labels;   // [N] int64, the true classes
  at::Tensor targets;  // [N] int64, or undefined for an untargeted attack
};

// When an image counts as fooled.
enum class SuccessRule {
  kLastIterate,  // by the attack's final image alone
  kAnyIterate,   // by any image on the way; the first one is returned
};

struct RunOptions {
  Norm norm = Norm::kLinf;
  // At least one; in rising order is not required. Each gives a result of its
  // own, as if it were run alone, but work is shared where that is exact.
  std::vector<double> epsilons;
  SuccessRule success = SuccessRule::kLastIterate;
  // Results on the lattice of multiples of 1/255 inside the integer ball
  // floor(255 epsilon), verified as such, so that a saved PNG is the image.
  bool eight_bit = false;
  // Called before each forward or gradient pass; not OK ends the run with
  // that status. Here a caller cancels, or lets more urgent work go first.
  std::function<absl::Status()> before_pass;
};

// All tensors are on the network's device; [N] is the batch's.
struct AttackResult {
  double epsilon = 0;
  at::Tensor images;         // [N, channels, height, width]
  at::Tensor logits;         // [N, classes], of `images`
  // [N] bool. Untargeted: no longer classified as the label (an image that
  // was wrong before counts as fooled at iteration 0). Targeted: classified
  // as the target.
  at::Tensor success;
  // [N] int64, the number of steps after which the rule's success first held:
  // 0 if already on the clean image, -1 if never.
  at::Tensor iterations;
  at::Tensor zero_gradient;  // [N] bool: some gradient was zero everywhere
  at::Tensor gradients;      // [N] int64, gradient passes spent on the image
  at::Tensor forwards;       // [N] int64, forward passes without a gradient
};

struct AttackOutcome {
  at::Tensor clean_logits;            // [N, classes]
  std::vector<AttackResult> results;  // one for each of RunOptions::epsilons
};

// An attack. Thread-safe: immutable once made.
//
// Run keeps the promise for all attacks: whatever Perturb proposes is checked
// again, and an image outside its ball or the box (by more than float32
// rounding, 1e-6) is an INTERNAL error, never a result.
class Attack {
 public:
  virtual ~Attack() = default;

  // INVALID_ARGUMENT if an epsilon is out of range, shapes disagree, a pixel
  // is NaN or outside [0, 1], a label or target is not a class, a target
  // equals its label, or the attack does not have that norm (the message
  // names what it has). Gradients come from `source`, which is `target` but
  // for transfer; the verdict (logits, success) always from `target`.
  absl::StatusOr<AttackOutcome> Run(const Network& target,
                                    const Network& source,
                                    const AttackBatch& batch,
                                    const RunOptions& options) const;

  virtual bool HasNorm(Norm norm) const = 0;
  // Whether results may leave the box: the thesis mode of FGSM alone.
  virtual bool MayLeaveBox() const { return false; }

 protected:
  // What Run hands to Perturb: counting and the hook are inside.
  class Pass;
  // One proposal per epsilon, in order.
  virtual absl::StatusOr<std::vector<AttackResult>> Perturb(
      Pass& pass, const AttackBatch& batch, const RunOptions& options,
      const at::Tensor& clean_logits) const = 0;
};

// The single switch from a config to its attack; validates the config.
absl::StatusOr<std::unique_ptr<const Attack>> MakeAttack(
    const AttackConfig& config);

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_ATTACK_H_
