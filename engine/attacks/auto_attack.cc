#include "engine/attacks/auto_attack.h"

#include <ATen/ATen.h>

#include <utility>
#include <vector>

#include "engine/attacks/attacked_model.h"
#include "engine/attacks/candidates.h"
#include "engine/attacks/layout.h"

namespace adv {
namespace {

using Members = std::vector<std::unique_ptr<const Attack>>;

// The attack at one epsilon.
struct Front {
  double epsilon;
  AttackedModel model;  // charged with what is spent at this epsilon
  WorstOf worst;
  at::Tensor member;  // [N] int64, which made the worst image so far; or -1
};

// What a run of a member spent, whatever the epsilon.
AttackResult SumOf(const std::vector<AttackResult>& results) {
  AttackResult sum;
  sum.zero_gradient = results[0].zero_gradient.clone();
  sum.gradients = results[0].gradients.clone();
  sum.forwards = results[0].forwards.clone();
  for (size_t i = 1; i < results.size(); ++i) {
    sum.zero_gradient.logical_or_(results[i].zero_gradient);
    sum.gradients.add_(results[i].gradients);
    sum.forwards.add_(results[i].forwards);
  }
  return sum;
}

// Charges the front for the images at `rows` [K], entries `chosen` [K] of
// `spent`, which are paid for then. A gradient of zero is seen by all.
void Pay(const at::Tensor& chosen, const at::Tensor& rows, AttackResult& spent,
         Front& front) {
  AttackResult share;
  share.zero_gradient = spent.zero_gradient.index_select(0, chosen);
  share.gradients = spent.gradients.index_select(0, chosen);
  share.forwards = spent.forwards.index_select(0, chosen);
  front.model.Charge(share, rows);
  spent.gradients.index_fill_(0, chosen, 0);
  spent.forwards.index_fill_(0, chosen, 0);
}

class AutoAttack final : public Attack {
 public:
  AutoAttack(const AttackTraits& traits, Members members)
      : Attack(traits), members_(std::move(members)) {}

 private:
  absl::StatusOr<std::vector<AttackResult>> Perturb(
      AttackedModel& model, const AttackBatch& batch,
      const RunOptions& options) const override;
  // Runs the i-th member once for all `fronts`, each at its epsilon.
  absl::Status RunMember(size_t i, AttackedModel& model,
                         const AttackBatch& batch, const RunOptions& options,
                         const std::vector<Front*>& fronts) const;
  // Adds what the i-th member found for the front's images at `rows` [K]:
  // entries `chosen` [K] of `result`.
  absl::Status Add(size_t i, const AttackResult& result,
                   const at::Tensor& chosen, const at::Tensor& rows,
                   Front& front) const;

  const Members members_;
};

AttackResult ResultOf(Front& front) {
  AttackResult result;
  front.worst.WriteTo(result);
  result.member = front.member;
  front.model.ChargeTo(result);
  return result;
}

absl::StatusOr<std::vector<AttackResult>> AutoAttack::Perturb(
    AttackedModel& model, const AttackBatch& batch,
    const RunOptions& options) const {
  const absl::StatusOr<at::Tensor> clean = model.CleanLogits();
  if (!clean.ok()) return clean.status();
  AttackBatch known = batch;
  known.clean_logits = *clean;
  const int64_t count = batch.labels.size(0);
  std::vector<Front> fronts;
  for (double epsilon : options.epsilons) {
    fronts.push_back({epsilon, model.Part(known), WorstOf(count),
                      at::full_like(batch.labels, -1)});
    // No member spends a pass on a clean image that fools. On a transfer the
    // attacker does not know it.
    if (model.transfer()) continue;
    const at::Tensor all = fronts.back().worst.RowsToAttack(clean->device());
    fronts.back().worst.Add(
        CleanCandidates(batch.images, *clean, model.Fooled(*clean, all)));
  }
  std::vector<std::vector<Front*>> one_by_one;
  std::vector<std::vector<Front*>> all_at_once(1);
  one_by_one.reserve(fronts.size());
  all_at_once[0].reserve(fronts.size());
  for (Front& front : fronts) {
    one_by_one.push_back({&front});
    all_at_once[0].push_back(&front);
  }
  for (size_t i = 0; i < members_.size(); ++i) {
    for (const std::vector<Front*>& together :
         members_[i]->traits().ignores_epsilon ? all_at_once : one_by_one) {
      absl::Status status = RunMember(i, model, batch, options, together);
      if (!status.ok()) return status;
    }
  }
  std::vector<AttackResult> results;
  results.reserve(fronts.size());
  for (Front& front : fronts) {
    results.push_back(ResultOf(front));
  }
  return results;
}

absl::Status AutoAttack::RunMember(size_t i, AttackedModel& model,
                                   const AttackBatch& batch,
                                   const RunOptions& options,
                                   const std::vector<Front*>& fronts) const {
  RunOptions within = options;
  within.epsilons.clear();
  // At each epsilon other images are under attack.
  std::vector<at::Tensor> attacked;  // [N] bool of each front
  for (const Front* front : fronts) {
    within.epsilons.push_back(front->epsilon);
    attacked.push_back(
        at::zeros_like(batch.labels, at::kBool)
            .index_fill_(0, front->worst.RowsToAttack(batch.labels.device()),
                         true));
  }
  const at::Tensor rows = PositionsOf(at::stack(attacked).any(0));
  if (rows.numel() == 0) return absl::OkStatus();
  const absl::StatusOr<std::vector<AttackResult>> results =
      PerturbRows(*members_[i], model, batch, rows, within);
  if (!results.ok()) return results.status();
  if (results->size() != fronts.size()) {
    return absl::InternalError("a member skipped an epsilon");
  }
  AttackResult spent = SumOf(*results);
  for (size_t f = 0; f < fronts.size(); ++f) {
    const at::Tensor chosen = PositionsOf(attacked[f].index_select(0, rows));
    if (chosen.numel() == 0) continue;
    const at::Tensor chosen_rows = rows.index_select(0, chosen);
    Pay(chosen, chosen_rows, spent, *fronts[f]);
    absl::Status status =
        Add(i, (*results)[f], chosen, chosen_rows, *fronts[f]);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status AutoAttack::Add(size_t i, const AttackResult& result,
                             const at::Tensor& chosen, const at::Tensor& rows,
                             Front& front) const {
  Candidates found;
  found.rows = rows;
  found.images = SelectRows(result.images, chosen);
  found.logits = result.logits.index_select(0, chosen);
  found.iterations = result.iterations.index_select(0, chosen);
  absl::Status status = Judge(front.model, members_.size() > 1, found);
  if (!status.ok()) return status;
  // The last member to make an image the worst so far made the result. In a
  // transfer it may fool the target alone, so that the source's verdict does
  // not tell which member that is.
  front.member.index_fill_(0, front.worst.Add(found), static_cast<int64_t>(i));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<const Attack>> MakeAutoAttack(
    const AttackTraits& traits, Members members) {
  if (!traits.linf && !traits.l2) {
    return absl::InvalidArgumentError("members: have no norm in common");
  }
  return std::make_unique<const AutoAttack>(traits, std::move(members));
}

}  // namespace adv
