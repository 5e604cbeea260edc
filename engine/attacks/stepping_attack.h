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
// An image at an epsilon is a walk of its own. Walks of all epsilons and
// restarts go side by side in the slots of one tile, where epsilon, step size,
// label, target and the steps that remain are a row of a tensor each; a walk
// that is over leaves its slot at once, and the next one takes it.
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
  // How many starts drawn in the ball are tried, until one fools. 0: the walk
  // starts at the clean image, whose gradient serves all epsilons.
  virtual int64_t RandomStarts() const { return 0; }
  // What a step climbs (Ball::Climb), from the gradient of the objective. May
  // keep momentum in `walks`, but not with random starts. `targeted`: the
  // objective is minus the loss of a target.
  virtual at::Tensor Ascent(const at::Tensor& gradient, bool /*targeted*/,
                            Walks&) const {
    return gradient;
  }
  // [N], by the attack's own choice of classes; undefined for the default.
  virtual absl::StatusOr<at::Tensor> OwnTargets(AttackedModel&) const {
    return at::Tensor();
  }
};

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_STEPPING_ATTACK_H_
