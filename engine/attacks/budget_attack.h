#ifndef ADV_ENGINE_ATTACKS_BUDGET_ATTACK_H_
#define ADV_ENGINE_ATTACKS_BUDGET_ATTACK_H_

#include <absl/status/statusor.h>

#include <vector>

#include "engine/attacks/attack.h"

namespace adv {

// An attack that looks for the worst image within an epsilon, separately at
// each epsilon.
class BudgetAttack : public Attack {
 public:
  using Attack::Attack;

 protected:
  absl::StatusOr<std::vector<AttackResult>> Perturb(
      AttackedModel& model, const AttackBatch& batch,
      const RunOptions& options) const final;

 private:
  // Does Perturb's work at one of `options.epsilons`. It leaves the costs to
  // its caller, which charges them to that epsilon.
  virtual absl::StatusOr<AttackResult> PerturbWithin(
      double epsilon, AttackedModel& model, const AttackBatch& batch,
      const RunOptions& options) const = 0;
};

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_BUDGET_ATTACK_H_
