#ifndef ADV_ENGINE_ATTACKS_BUDGET_ATTACK_H_
#define ADV_ENGINE_ATTACKS_BUDGET_ATTACK_H_

#include <absl/status/statusor.h>

#include <vector>

#include "engine/attacks/attack.h"

namespace adv {

// An attack that looks for the worst image within an epsilon, at each by
// itself.
class BudgetAttack : public Attack {
 public:
  using Attack::Attack;

 protected:
  absl::StatusOr<std::vector<AttackResult>> Perturb(
      AttackedModel& model, const AttackBatch& batch,
      const RunOptions& options) const final;

 private:
  // Perturb at one of `options.epsilons`, but for the costs, which are charged
  // to it.
  virtual absl::StatusOr<AttackResult> PerturbWithin(
      double epsilon, AttackedModel& model, const AttackBatch& batch,
      const RunOptions& options) const = 0;
};

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_BUDGET_ATTACK_H_
