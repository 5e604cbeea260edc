#ifndef ADV_ENGINE_ATTACKS_STEPPING_ATTACK_H_
#define ADV_ENGINE_ATTACKS_STEPPING_ATTACK_H_

#include <ATen/core/Tensor.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <vector>

#include "engine/attacks/attack.h"
#include "engine/attacks/walks.h"

namespace adv {

// An attack whose images each take a number of steps of one length:
//   x_{n+1} = project onto ball and box (x_n + step_size direction(ascent)).
//
// Each image has a walk of its own at each epsilon. Walks of all epsilons and
// restarts go side by side in the slots of one tile. Epsilon, step size, label,
// target and the remaining steps are rows of tensors. A walk that is over
// leaves its slot at once, and the next walk takes it.
class SteppingAttack : public Attack {
 public:
  using Attack::Attack;

 protected:
  struct Schedule {
    int64_t steps = 1;  // at least 1
    double step_size = 0;
  };

  absl::StatusOr<std::vector<AttackResult>> Perturb(
      AttackedModel& model, const AttackBatch& batch,
      const RunOptions& options) const final;

 private:
  class Sweep;

  virtual Schedule ScheduleAt(double epsilon) const = 0;
  // The number of random starts in the ball that are tried until one fools. 0:
  // the walk starts at the clean image, whose gradient serves all epsilons.
  virtual int64_t RandomStarts() const { return 0; }
  // The direction of a step (Ball::Climb), from the gradient of the objective.
  // It may keep momentum in `walks`, but not with random starts. `targeted`:
  // the objective is minus the loss of a target.
  virtual at::Tensor Ascent(const at::Tensor& gradient, bool /*targeted*/,
                            Walks&) const {
    return gradient;
  }
  // [N]: the classes that the attack itself chooses to lead to; undefined if it
  // leaves the goal as it is.
  virtual absl::StatusOr<at::Tensor> OwnTargets(AttackedModel&) const {
    return at::Tensor();
  }
};

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_STEPPING_ATTACK_H_
