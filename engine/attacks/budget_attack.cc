#include "engine/attacks/budget_attack.h"

#include <utility>

#include "engine/attacks/attacked_model.h"

namespace adv {

absl::StatusOr<std::vector<AttackResult>> BudgetAttack::Perturb(
    AttackedModel& model, const AttackBatch& batch,
    const RunOptions& options) const {
  std::vector<AttackResult> results;
  for (double epsilon : options.epsilons) {
    absl::StatusOr<AttackResult> result =
        PerturbWithin(epsilon, model, batch, options);
    if (!result.ok()) return result.status();
    // This also resets the costs for the next epsilon.
    model.ChargeTo(*result);
    results.push_back(*std::move(result));
  }
  return results;
}

}  // namespace adv
