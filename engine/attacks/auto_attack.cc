#include "engine/attacks/auto_attack.h"

#include <ATen/ATen.h>

#include <utility>
#include <vector>

#include "engine/attacks/attacked_model.h"
#include "engine/attacks/budget_attack.h"
#include "engine/attacks/candidates.h"

namespace adv {
namespace {

using Members = std::vector<std::unique_ptr<const Attack>>;

class AutoAttack final : public BudgetAttack {
 public:
  AutoAttack(const AttackTraits& traits, Members members)
      : BudgetAttack(traits), members_(std::move(members)) {}

 private:
  // Runs `member` on the images at `rows`, at the one epsilon of `options`.
  absl::StatusOr<Candidates> RunMember(const Attack& member,
                                       const at::Tensor& rows,
                                       AttackedModel& model,
                                       const AttackBatch& batch,
                                       const RunOptions& options) const;
  absl::StatusOr<AttackResult> PerturbWithin(
      double epsilon, AttackedModel& model, const AttackBatch& batch,
      const RunOptions& options) const override;

  const Members members_;
};

absl::StatusOr<AttackResult> AutoAttack::PerturbWithin(
    double epsilon, AttackedModel& model, const AttackBatch& batch,
    const RunOptions& options) const {
  RunOptions within = options;
  // At each epsilon other images are under attack.
  within.epsilons = {epsilon};
  WorstOf worst(batch.labels.size(0));
  const at::Tensor all = worst.RowsToAttack(batch.labels.device());
  const absl::StatusOr<at::Tensor> clean = model.CleanLogits();
  if (!clean.ok()) return clean.status();
  const at::Tensor fooled_before = model.Fooled(*clean, all);
  // No member spends a pass on a clean image that fools. On a transfer the
  // attacker does not know it.
  if (!model.transfer()) {
    worst.Add(CleanCandidates(batch.images, *clean, fooled_before));
  }
  AttackResult result;
  result.member = at::full_like(batch.labels, -1);
  for (size_t i = 0; i < members_.size(); ++i) {
    const at::Tensor rows = worst.RowsToAttack(batch.labels.device());
    if (rows.numel() == 0) break;
    const absl::StatusOr<Candidates> found =
        RunMember(*members_[i], rows, model, batch, within);
    if (!found.ok()) return found.status();
    // The last member to make an image the worst so far made the result. In a
    // transfer it may fool the target alone, so that the source's verdict does
    // not tell which member that is.
    result.member.index_fill_(0, worst.Add(*found), static_cast<int64_t>(i));
  }
  worst.WriteTo(result);
  // Whether a member fooled is for the target to say. Members of a transfer
  // also attack images that fool it before.
  const at::Tensor fooled = model.Fooled(result.logits, all);
  result.member.masked_fill_(fooled_before.logical_or(fooled.logical_not()),
                             -1);
  return result;
}

absl::StatusOr<Candidates> AutoAttack::RunMember(
    const Attack& member, const at::Tensor& rows, AttackedModel& model,
    const AttackBatch& batch, const RunOptions& options) const {
  const absl::StatusOr<std::vector<AttackResult>> results =
      PerturbRows(member, model, batch, rows, options);
  if (!results.ok()) return results.status();
  if (results->size() != 1) {
    return absl::InternalError("a member skipped the epsilon");
  }
  const AttackResult& result = results->front();
  // The result's tensors have an entry for each of `rows`, like a run's.
  Candidates found;
  found.rows = rows;
  found.images = result.images;
  found.logits = result.logits;
  found.iterations = result.iterations;
  absl::Status status = Judge(model, members_.size() > 1, found);
  if (!status.ok()) return status;
  return found;
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
