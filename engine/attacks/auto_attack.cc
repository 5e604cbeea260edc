#include "engine/attacks/auto_attack.h"

#include <ATen/ATen.h>

#include <algorithm>
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
  explicit AutoAttack(Members members) : members_(std::move(members)) {}

  bool HasNorm(Norm norm) const override {
    return std::all_of(
        members_.begin(), members_.end(),
        [norm](const auto& member) { return member->HasNorm(norm); });
  }
  bool TakesTargets() const override {
    return std::all_of(
        members_.begin(), members_.end(),
        [](const auto& member) { return member->TakesTargets(); });
  }
  int64_t MinClasses() const override {
    int64_t most = 2;
    for (const auto& member : members_) {
      most = std::max(most, member->MinClasses());
    }
    return most;
  }
  bool StartsAtExamples() const override {
    return std::any_of(
        members_.begin(), members_.end(),
        [](const auto& member) { return member->StartsAtExamples(); });
  }
  bool MayLeaveBox() const override {
    return std::any_of(
        members_.begin(), members_.end(),
        [](const auto& member) { return member->MayLeaveBox(); });
  }

 private:
  // What `member` makes of the images at `rows`, at one epsilon.
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
  within.epsilons = {epsilon};
  WorstOf worst(batch.labels.size(0));
  at::Tensor standing = worst.Standing(batch.labels.device());
  if (!model.transfer()) {
    const absl::StatusOr<at::Tensor> clean = model.CleanLogits();
    if (!clean.ok()) return clean.status();
    worst.Add(
        CleanCandidates(batch.images, *clean, model.Fooled(*clean, standing)));
  }
  AttackResult result;
  result.member = at::full_like(batch.labels, -1);
  for (size_t i = 0; i < members_.size(); ++i) {
    standing = worst.Standing(batch.labels.device());
    if (standing.numel() == 0) break;
    const absl::StatusOr<Candidates> found =
        RunMember(*members_[i], standing, model, batch, within);
    if (!found.ok()) return found.status();
    result.member.index_fill_(0, standing.masked_select(found->fooled),
                              static_cast<int64_t>(i));
    worst.Add(*found);
  }
  worst.WriteTo(result);
  // What fooled a source need not fool the target.
  const at::Tensor all =
      at::arange(batch.labels.size(0), batch.labels.options());
  result.member.masked_fill_(model.Fooled(result.logits, all).logical_not(),
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

absl::StatusOr<std::unique_ptr<const Attack>> MakeAutoAttack(Members members) {
  auto attack = std::make_unique<const AutoAttack>(std::move(members));
  if (!attack->HasNorm(Norm::kLinf) && !attack->HasNorm(Norm::kL2)) {
    return absl::InvalidArgumentError("members: have no norm in common");
  }
  return attack;
}

}  // namespace adv
