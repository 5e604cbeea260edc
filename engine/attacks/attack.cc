#include "engine/attacks/attack.h"

#include <ATen/ATen.h>
#include <absl/strings/str_cat.h>

#include <utility>

#include "engine/attacks/attacked_model.h"
#include "engine/attacks/ball.h"
#include "engine/attacks/candidates.h"
#include "engine/attacks/check.h"
#include "engine/attacks/layout.h"
#include "engine/attacks/violations.h"

namespace adv {
namespace {

const char* NormName(Norm norm) { return norm == Norm::kLinf ? "L-inf" : "L2"; }

// Moves the batch to the target's device, detaches it from any graph, and for
// 8-bit results puts the images exactly on the lattice.
AttackBatch Prepare(const AttackBatch& batch, at::Device device,
                    bool eight_bit) {
  AttackBatch ready;
  ready.images = AsNetworksCompute(batch.images.detach().to(device));
  // CheckBatch lets pixels be a thousandth of a level off the lattice.
  if (eight_bit) ready.images = FromBytes(ToBytes(ready.images));
  ready.labels = batch.labels.to(device);
  // Random numbers are drawn on the CPU, so their keys are there, too.
  ready.samples = batch.samples.defined()
                      ? batch.samples.to(at::kCPU).contiguous()
                      : at::arange(batch.labels.size(0), at::kLong);
  if (batch.targets.defined()) ready.targets = batch.targets.to(device);
  if (batch.clean_logits.defined()) {
    ready.clean_logits = batch.clean_logits.detach().to(device);
  }
  // Only decision-based attacks read the examples, on the CPU.
  if (batch.examples.defined()) {
    ready.examples = AsNetworksCompute(batch.examples.detach());
    ready.example_classes = batch.example_classes;
  }
  return ready;
}

absl::Status CheckRun(const AttackTraits& traits, const Network& target,
                      const Network& source, const AttackBatch& batch,
                      const RunOptions& options) {
  int64_t values_per_image = 1;
  for (int64_t size : target.traits().image_shape) values_per_image *= size;
  absl::Status status = ValidateRun(
      traits, options,
      {values_per_image, target.traits().classes, batch.targets.defined()});
  if (!status.ok()) return status;
  // While the attack runs, only the source is asked, and it cannot tell which
  // iterate is the first to fool the target.
  if (options.success == SuccessRule::kAnyIterate && &target != &source) {
    return absl::InvalidArgumentError(
        "success: any_iterate needs source_model to be the model itself");
  }
  if (options.precision == Precision::kFast && &target != &source) {
    return absl::InvalidArgumentError(
        "precision: fast needs source_model to be the model itself");
  }
  return CheckBatch(target, source, batch, options.eight_bit);
}

// Fills in what the target's logits of the images, and of the clean ones, say.
void SetVerdict(const AttackedModel& model, const at::Tensor& clean_logits,
                AttackResult& result) {
  const at::Tensor all = at::arange(
      clean_logits.size(0), at::device(clean_logits.device()).dtype(at::kLong));
  const at::Tensor clean = model.Fooled(clean_logits, all);
  result.success = model.Fooled(result.logits, all);
  const at::Tensor failed = result.success.logical_not();
  // An image that is wrong before any step counts as fooled at 0, whatever
  // the attack noted. Without success there is no such iteration.
  result.iterations =
      result.iterations.masked_fill(clean, 0).masked_fill(failed, -1);
  // Whether a member fooled is for the target to say, which members of a
  // transfer do not ask.
  if (result.member.defined()) {
    result.member = result.member.masked_fill(clean.logical_or(failed), -1);
  }
}

// The images of `batch` at `rows` [M] int64 alone. With their clean logits,
// they need not be computed again.
AttackBatch PartOf(const AttackBatch& batch, const at::Tensor& clean_logits,
                   const at::Tensor& rows) {
  AttackBatch part;
  part.images = SelectRows(batch.images, rows);
  part.labels = batch.labels.index_select(0, rows);
  part.samples = batch.samples.index_select(0, rows.cpu());
  if (batch.targets.defined()) {
    part.targets = batch.targets.index_select(0, rows);
  }
  part.clean_logits = clean_logits.index_select(0, rows);
  // The examples are no images of the batch, so they all remain.
  part.examples = batch.examples;
  part.example_classes = batch.example_classes;
  return part;
}

// Puts what `found` says of the images `chosen` [K] in place of what `result`
// says of those at `rows` [K].
void Replace(const at::Tensor& rows, const AttackResult& found,
             const at::Tensor& chosen, AttackResult& result) {
  // Epsilons may share a tensor, which is therefore not written to.
  const auto replace = [&](const at::Tensor& by, at::Tensor& values) {
    values = values.index_copy(0, rows, by.index_select(0, chosen));
  };
  result.images = AsNetworksCompute(
      result.images.index_copy(0, rows, SelectRows(found.images, chosen)));
  replace(found.logits, result.logits);
  replace(found.success, result.success);
  replace(found.iterations, result.iterations);
  if (result.member.defined()) replace(found.member, result.member);
}

// [N] bool: which images differ in any pixel.
at::Tensor Differ(const at::Tensor& images, const at::Tensor& others) {
  return ValuesOf(images.ne(others)).any(1);
}

}  // namespace

absl::Status ValidateRun(const AttackTraits& traits, const RunOptions& options,
                         const AttackProblem& problem) {
  Violations violations;
  if (options.epsilons.empty()) {
    violations.Add("epsilon: at least one is needed");
  }
  for (double epsilon : options.epsilons) {
    violations.AddAll(adv::Validate(ThreatModel{options.norm, epsilon},
                                    problem.values_per_image));
    // Such a ball holds only the original, so the run would attack nothing.
    if (options.eight_bit && options.norm == Norm::kLinf && epsilon > 0 &&
        LevelsWithin(epsilon) == 0) {
      violations.Add(absl::StrCat("epsilon: ", epsilon,
                                  " is less than a level, 1/255, which is the "
                                  "least that eight_bit can change (or 0)"));
    }
  }
  if (!traits.linf && !traits.l2) {
    violations.Add("members: have no norm in common");
  } else if (!traits.HasNorm(options.norm)) {
    const Norm other = options.norm == Norm::kL2 ? Norm::kLinf : Norm::kL2;
    violations.Add(absl::StrCat("norm: ", NormName(options.norm),
                                " is not one that this attack has, which is ",
                                NormName(other)));
  }
  if (problem.targeted && !traits.takes_targets) {
    violations.Add("goal: this attack leads to no class that is chosen for it");
  }
  if (problem.classes < traits.min_classes) {
    violations.Add(absl::StrCat("model: has ", problem.classes,
                                " classes where this attack needs ",
                                traits.min_classes));
  }
  if (options.eight_bit && traits.may_leave_box) {
    violations.Add(
        "eight_bit: images of thesis_mode leave the box, bytes cannot");
  }
  return violations.ToStatus();
}

absl::StatusOr<AttackOutcome> Attack::Run(const Network& target,
                                          const Network& source,
                                          const AttackBatch& batch,
                                          const RunOptions& options) const {
  absl::Status status = CheckRun(traits_, target, source, batch, options);
  if (!status.ok()) return status;
  if (options.precision == Precision::kFast) {
    return RunFast(target, batch, options);
  }
  if (&target != &source) {
    const absl::StatusOr<std::vector<AttackResult>> crafted =
        Craft(source, batch, options);
    if (!crafted.ok()) return crafted.status();
    return Show(target, *crafted, batch, options);
  }
  const AttackBatch ready =
      Prepare(batch, target.traits().device, options.eight_bit);
  AttackedModel model(target, /*transfer=*/false, ready, options.before_pass);
  absl::StatusOr<std::vector<AttackResult>> results =
      Propose(model, ready, options);
  if (!results.ok()) return results.status();
  // Not before Propose, whose first pass may have given them for nothing.
  absl::StatusOr<at::Tensor> clean_logits = model.CleanLogits();
  if (!clean_logits.ok()) return clean_logits.status();
  for (AttackResult& result : *results) {
    SetVerdict(model, *clean_logits, result);
  }
  return AttackOutcome{*std::move(clean_logits), *std::move(results)};
}

absl::StatusOr<std::vector<AttackResult>> Attack::Craft(
    const Network& source, const AttackBatch& batch,
    const RunOptions& options) const {
  AttackBatch seen = batch;
  seen.clean_logits = at::Tensor();  // the target's
  absl::Status status = CheckRun(traits_, source, source, seen, options);
  if (!status.ok()) return status;
  const AttackBatch ready =
      Prepare(seen, source.traits().device, options.eight_bit);
  AttackedModel model(source, /*transfer=*/true, ready, options.before_pass);
  absl::StatusOr<std::vector<AttackResult>> results =
      Propose(model, ready, options);
  if (!results.ok()) return results;
  for (AttackResult& result : *results) result.logits = at::Tensor();
  return results;
}

absl::StatusOr<AttackOutcome> Attack::Show(
    const Network& target, const std::vector<AttackResult>& crafted,
    const AttackBatch& batch, const RunOptions& options) const {
  absl::Status status = CheckRun(traits_, target, target, batch, options);
  if (!status.ok()) return status;
  const at::Device device = target.traits().device;
  const AttackBatch ready = Prepare(batch, device, options.eight_bit);
  AttackedModel model(target, /*transfer=*/false, ready, options.before_pass);
  absl::StatusOr<at::Tensor> clean_logits = model.CleanLogits();
  if (!clean_logits.ok()) return clean_logits.status();
  AttackOutcome outcome{*clean_logits, {}};
  at::Tensor shown = ready.images, logits = *clean_logits;
  for (const AttackResult& one : crafted) {
    outcome.results.push_back(MovedTo(device, one));
    AttackResult& result = outcome.results.back();
    const at::Tensor moved = Differ(result.images, ready.images);
    const at::Tensor rows =
        PositionsOf(moved.logical_and(Differ(result.images, shown)));
    logits = at::where(moved.unsqueeze(1), logits, *clean_logits);
    if (rows.numel() > 0) {
      const absl::StatusOr<at::Tensor> seen =
          model.Logits(SelectRows(result.images, rows), rows);
      if (!seen.ok()) return seen.status();
      logits.index_copy_(0, rows, *seen);
    }
    shown = result.images;
    result.logits = logits;
    SetVerdict(model, *clean_logits, result);
  }
  return outcome;
}

absl::StatusOr<AttackOutcome> Attack::RunFast(const Network& target,
                                              const AttackBatch& batch,
                                              const RunOptions& options) const {
  const Network* fast_target = target.Fast();
  if (fast_target == nullptr) {
    return absl::InvalidArgumentError(
        "precision: the model has no passes here that are faster than float32");
  }
  RunOptions own = options;
  own.precision = Precision::kFloat32;
  AttackBatch ready = Prepare(batch, target.traits().device, options.eight_bit);
  AttackedModel model(target, /*transfer=*/false, ready, options.before_pass);
  const absl::StatusOr<at::Tensor> clean_logits = model.CleanLogits();
  if (!clean_logits.ok()) return clean_logits.status();
  ready.clean_logits = *clean_logits;
  AttackedModel fast(*fast_target, /*transfer=*/false, ready,
                     options.before_pass);
  const absl::StatusOr<std::vector<AttackResult>> found =
      Propose(fast, ready, own);
  if (!found.ok()) return found.status();
  absl::StatusOr<AttackOutcome> outcome = Show(target, *found, ready, own);
  if (!outcome.ok()) return outcome;
  std::vector<std::vector<size_t>> together(1);
  for (size_t e = 0; e < options.epsilons.size(); ++e) {
    AttackResult& result = outcome->results[e];
    const at::Tensor unnoticed =
        result.success.logical_and(result.iterations.lt(0));
    const at::Tensor passes = (result.gradients + result.forwards).clamp_min(1);
    result.iterations = at::where(unnoticed, passes, result.iterations);
    // As a search that ignores epsilon serves them all, one is enough.
    if (e > 0 && !traits_.ignores_epsilon) together.emplace_back();
    together.back().push_back(e);
  }
  for (const std::vector<size_t>& places : together) {
    absl::Status status = AttackAgain(model, ready, own, places, *outcome);
    if (!status.ok()) return status;
  }
  return outcome;
}

absl::Status Attack::AttackAgain(AttackedModel& model, const AttackBatch& batch,
                                 const RunOptions& options,
                                 const std::vector<size_t>& places,
                                 AttackOutcome& outcome) const {
  RunOptions within = options;
  within.epsilons.clear();
  std::vector<at::Tensor> failed;  // [N] bool at each place
  for (const size_t place : places) {
    within.epsilons.push_back(options.epsilons[place]);
    failed.push_back(outcome.results[place].success.logical_not());
  }
  const at::Tensor rows = PositionsOf(at::stack(failed).any(0));
  if (rows.numel() == 0) return absl::OkStatus();
  const AttackBatch part = PartOf(batch, outcome.clean_logits, rows);
  AttackedModel part_model = model.Part(part);
  absl::StatusOr<std::vector<AttackResult>> found =
      Propose(part_model, part, within);
  if (!found.ok()) return found.status();
  for (size_t i = 0; i < places.size(); ++i) {
    AttackResult& result = outcome.results[places[i]];
    AttackResult& again = (*found)[i];
    SetVerdict(part_model, part.clean_logits, again);
    const at::Tensor chosen = PositionsOf(failed[i].index_select(0, rows));
    Replace(rows.index_select(0, chosen), again, chosen, result);
    result.gradients = result.gradients.index_add(0, rows, again.gradients);
    result.forwards = result.forwards.index_add(0, rows, again.forwards);
    result.zero_gradient = result.zero_gradient.index_copy(
        0, rows,
        result.zero_gradient.index_select(0, rows).logical_or(
            again.zero_gradient));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<AttackResult>> Attack::Propose(
    AttackedModel& model, const AttackBatch& ready,
    const RunOptions& options) const {
  absl::StatusOr<std::vector<AttackResult>> results =
      Perturb(model, ready, options);
  if (!results.ok()) return results;
  if (results->size() != options.epsilons.size()) {
    return absl::InternalError("the attack skipped an epsilon");
  }
  for (size_t i = 0; i < results->size(); ++i) {
    AttackResult& result = (*results)[i];
    result.epsilon = options.epsilons[i];
    // This ball is made here and not taken from the attack, so that an attack
    // cannot pass with a wrong ball of its own.
    const Ball ball(ready.images, {options.norm, result.epsilon},
                    {!traits_.may_leave_box, options.eight_bit});
    absl::Status status = ball.Check(result.images);
    if (!status.ok()) return status;
  }
  return results;
}

absl::Status Attack::Judge(AttackedModel& model, bool one_of_several,
                           Candidates& found) {
  absl::StatusOr<at::Tensor> logits = found.logits;
  if (model.transfer() && one_of_several) {
    logits = model.Scores(found.images, found.rows);
    if (!logits.ok()) return logits.status();
  }
  found.fooled = model.Fooled(*logits, found.rows);
  found.objective = model.ObjectiveValue(*logits, found.rows);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<AttackResult>> Attack::PerturbRows(
    const Attack& attack, AttackedModel& model, const AttackBatch& batch,
    const at::Tensor& rows, const RunOptions& options) {
  const absl::StatusOr<at::Tensor> clean_logits = model.CleanLogits();
  if (!clean_logits.ok()) return clean_logits.status();
  const AttackBatch part = PartOf(batch, *clean_logits, rows);
  AttackedModel part_model = model.Part(part);
  return attack.Perturb(part_model, part, options);
}

}  // namespace adv
