#include "engine/attacks/stepping_attack.h"

#include <ATen/ATen.h>

#include <deque>
#include <optional>
#include <utility>

#include "engine/attacks/attacked_model.h"
#include "engine/attacks/candidates.h"
#include "engine/attacks/layout.h"
#include "engine/attacks/perturbations.h"
#include "engine/attacks/random.h"
#include "engine/nn/loss.h"

namespace adv {

// All images at all epsilons: image i of N at epsilon e is row e N + i (Walks).
class SteppingAttack::Sweep {
 public:
  // `own_targets`: see OwnTargets. This object keeps references to all
  // arguments.
  Sweep(const SteppingAttack& attack, const at::Tensor& own_targets,
        AttackedModel& model, const AttackBatch& batch,
        const RunOptions& options);

  absl::Status Run();
  // The result at each epsilon; to be called after Run, for each epsilon in
  // turn.
  absl::StatusOr<AttackResult> ResultAt(size_t e);

 private:
  int64_t active_walks() const { return walks_ ? walks_->rows.size(0) : 0; }
  // [M]: the rows of the N images whose walks `rows` [M] are.
  at::Tensor ImageRows(const at::Tensor& rows) const {
    return rows.remainder(images_);
  }
  AttackedModel::Objective ObjectiveOf(const at::Tensor& rows) const;
  absl::StatusOr<LogitsAndGradient> CleanGradient();

  absl::Status QueueAll();
  // Lets as many walks begin as there are free slots, the longest waiting
  // first.
  absl::Status FillSlots();
  // The walks of `rows` from start number `start`.
  absl::StatusOr<Walks> Begin(const at::Tensor& rows, int64_t start);
  absl::Status StepAll();
  // Takes a step of each of `walks` and keeps those that have steps left.
  // `seen` are the images as a network saw them, with the target's logits of
  // them (undefined: only a source has seen them) and the gradient there.
  absl::Status Step(const at::Tensor& seen, const at::Tensor& logits,
                    at::Tensor gradient, Walks& walks);
  // Ends those of `walks` for which `fooled` is true; the images seen are their
  // results.
  absl::Status TakeOut(const at::Tensor& fooled, const at::Tensor& seen,
                       const at::Tensor& logits, at::Tensor& gradient,
                       Walks& walks);
  // Whether to ask for verdicts now. They wait for a full pass, unless an empty
  // slot waits for them.
  bool JudgeNow() const;
  absl::Status JudgeArrived();
  // Notes walks that are over. A walk that failed and has starts left goes back
  // to the waiting ones.
  absl::Status Finish(Candidates found);

  const SteppingAttack& attack_;
  const at::Tensor& own_targets_;
  AttackedModel& clean_pass_;  // of the images
  const AttackBatch& batch_;
  const RunOptions& options_;
  const int64_t images_;  // N
  AttackedModel pass_;    // of the rows
  at::Tensor epsilons_;   // [rows] double
  at::Tensor step_sizes_;
  at::Tensor steps_;  // [rows] int64
  WorstOf worst_;
  std::deque<int64_t> waiting_;  // rows
  std::vector<int64_t> starts_;  // [rows], how often each has begun
  std::optional<Walks> walks_;   // in the slots
  Arrived arrived_;
  AttackResult spent_;  // costs of all rows
};

SteppingAttack::Sweep::Sweep(const SteppingAttack& attack,
                             const at::Tensor& own_targets,
                             AttackedModel& model, const AttackBatch& batch,
                             const RunOptions& options)
    : attack_(attack),
      own_targets_(own_targets),
      clean_pass_(model),
      batch_(batch),
      options_(options),
      images_(batch.labels.size(0)),
      pass_(model.Repeated(static_cast<int64_t>(options.epsilons.size()))),
      worst_(images_ * static_cast<int64_t>(options.epsilons.size())),
      starts_(images_ * options.epsilons.size()) {
  std::vector<double> step_sizes;
  std::vector<int64_t> steps;
  for (double epsilon : options.epsilons) {
    const Schedule schedule = attack.ScheduleAt(epsilon);
    step_sizes.push_back(schedule.step_size);
    steps.push_back(schedule.steps);
  }
  // A walk looks up its row alone and need not know its epsilon.
  const auto by_row = [this](const auto& by_epsilon, at::ScalarType type) {
    return at::tensor(by_epsilon, type)
        .repeat_interleave(images_)
        .to(batch_.labels.device());
  };
  epsilons_ = by_row(options.epsilons, at::kDouble);
  step_sizes_ = by_row(step_sizes, at::kDouble);
  steps_ = by_row(steps, at::kLong);
}

absl::Status SteppingAttack::Sweep::Run() {
  absl::Status status = QueueAll();
  while (status.ok()) {
    status = FillSlots();
    if (!status.ok()) break;
    // Verdicts on last images have passes of their own, without gradients.
    if (JudgeNow()) {
      status = JudgeArrived();
    } else if (active_walks() > 0) {
      status = StepAll();
    } else {
      break;
    }
  }
  pass_.ChargeTo(spent_);
  return status;
}

bool SteppingAttack::Sweep::JudgeNow() const {
  if (arrived_.size() == 0) return false;
  // A walk that failed may begin again from another start and fill a slot.
  const bool wanted = attack_.RandomStarts() > 1 && waiting_.empty() &&
                      active_walks() < pass_.slots();
  return wanted || active_walks() == 0 || arrived_.size() >= pass_.slots();
}

absl::StatusOr<AttackResult> SteppingAttack::Sweep::ResultAt(size_t e) {
  const int64_t first = static_cast<int64_t>(e) * images_;
  const auto part = [this, first](const at::Tensor& of_rows) {
    return of_rows.narrow(0, first, images_);
  };
  AttackResult spent;
  spent.zero_gradient = part(spent_.zero_gradient);
  spent.gradients = part(spent_.gradients);
  spent.forwards = part(spent_.forwards);
  if (attack_.RandomStarts() == 0) {
    // The gradient is there already and costs nothing here. Asking for it notes
    // at each epsilon whether it was zero.
    const absl::StatusOr<LogitsAndGradient> clean = CleanGradient();
    if (!clean.ok()) return clean.status();
  }
  clean_pass_.Charge(spent, at::arange(images_, batch_.labels.options()));
  AttackResult result;
  worst_.WriteTo(result, first, images_);
  clean_pass_.ChargeTo(result);
  return result;
}

AttackedModel::Objective SteppingAttack::Sweep::ObjectiveOf(
    const at::Tensor& rows) const {
  if (!own_targets_.defined()) return pass_.DefaultObjective(rows);
  const at::Tensor targets = own_targets_.index_select(0, ImageRows(rows));
  return [targets](const at::Tensor& logits) {
    return AttackLossGradient(logits, targets).neg();
  };
}

absl::StatusOr<LogitsAndGradient> SteppingAttack::Sweep::CleanGradient() {
  return clean_pass_.CleanGradient(
      ObjectiveOf(at::arange(images_, batch_.labels.options())));
}

absl::Status SteppingAttack::Sweep::QueueAll() {
  // The walks wait epsilon by epsilon, in the order of their rows.
  const at::Tensor all = at::arange(steps_.size(0), steps_.options());
  at::Tensor wait = at::ones_like(all, at::kBool);
  if (attack_.RandomStarts() > 0 &&
      options_.success == SuccessRule::kAnyIterate) {
    // Walks with random starts never stand at the clean images, which are
    // iterates, too.
    const absl::StatusOr<at::Tensor> clean = clean_pass_.CleanLogits();
    if (!clean.ok()) return clean.status();
    const at::Tensor logits = clean->index_select(0, ImageRows(all));
    const at::Tensor fooled = pass_.Fooled(logits, all);
    Candidates found;
    found.rows = all.masked_select(fooled);
    found.images = SelectRows(batch_.images, ImageRows(found.rows));
    found.logits = logits.index_select(0, found.rows);
    found.iterations = at::zeros_like(found.rows);
    if (found.rows.size(0) > 0) {
      absl::Status status = Finish(std::move(found));
      if (!status.ok()) return status;
    }
    wait = fooled.logical_not();
  }
  const at::Tensor rows = all.masked_select(wait).cpu();
  waiting_.assign(rows.data_ptr<int64_t>(),
                  rows.data_ptr<int64_t>() + rows.size(0));
  return absl::OkStatus();
}

absl::Status SteppingAttack::Sweep::FillSlots() {
  const int64_t slots = pass_.slots();
  while (!waiting_.empty() && active_walks() < slots &&
         arrived_.size() < slots) {
    const int64_t start = starts_[waiting_.front()];
    std::vector<int64_t> next;
    // Begin draws for one start number, so a group of walks shares it.
    while (!waiting_.empty() && starts_[waiting_.front()] == start &&
           active_walks() + static_cast<int64_t>(next.size()) < slots) {
      next.push_back(waiting_.front());
      waiting_.pop_front();
      ++starts_[next.back()];
    }
    absl::StatusOr<Walks> begun =
        Begin(at::tensor(next, steps_.options()), start);
    if (!begun.ok()) return begun.status();
    // From the clean image a walk takes its first step at once, which may have
    // ended all of them.
    if (begun->rows.size(0) == 0) continue;
    walks_ = active_walks() > 0 ? walks_->Join(*begun) : *std::move(begun);
  }
  return absl::OkStatus();
}

absl::StatusOr<Walks> SteppingAttack::Sweep::Begin(const at::Tensor& rows,
                                                   int64_t start) {
  const at::Tensor image_rows = ImageRows(rows);
  const at::Tensor originals = SelectRows(batch_.images, image_rows);
  const at::Tensor epsilons = epsilons_.index_select(0, rows);
  Walks walks{rows,
              originals.clone(),
              Ball(originals, options_.norm, epsilons,
                   {!attack_.traits().may_leave_box, options_.eight_bit}),
              step_sizes_.index_select(0, rows),
              steps_.index_select(0, rows),
              at::zeros_like(rows),
              at::full_like(rows, -1)};
  if (attack_.RandomStarts() > 0) {
    walks.images =
        DrawPerturbations(Spread::kVolume, options_.norm,
                          {options_.seed, RandomPurpose::kStart,
                           static_cast<uint32_t>(start), 0},
                          batch_.samples.index_select(0, image_rows.cpu()),
                          originals)
            .mul_(PerPixel(epsilons.to(at::kFloat)))
            .add_(originals);
    walks.ball.Project(walks.images);
    return walks;
  }
  // One pass over the clean images serves the first steps of all walks.
  const absl::StatusOr<LogitsAndGradient> clean = CleanGradient();
  if (!clean.ok()) return clean.status();
  const absl::StatusOr<at::Tensor> logits = clean_pass_.CleanLogits();
  if (!logits.ok()) return logits.status();
  absl::Status status = Step(originals, logits->index_select(0, image_rows),
                             SelectRows(clean->gradient, image_rows), walks);
  if (!status.ok()) return status;
  return walks;
}

absl::Status SteppingAttack::Sweep::StepAll() {
  const at::Tensor seen = walks_->ball.Snap(walks_->images);
  const absl::StatusOr<LogitsAndGradient> found =
      pass_.Gradient(seen, walks_->rows, ObjectiveOf(walks_->rows));
  if (!found.ok()) return found.status();
  // The source's logits do not tell whether the target is fooled.
  return Step(seen, pass_.transfer() ? at::Tensor() : found->logits,
              found->gradient, *walks_);
}

absl::Status SteppingAttack::Sweep::Step(const at::Tensor& seen,
                                         const at::Tensor& logits,
                                         at::Tensor gradient, Walks& walks) {
  if (logits.defined()) {
    const at::Tensor fooled = pass_.Fooled(logits, walks.rows);
    walks.fooled_at = at::where(fooled.logical_and(walks.fooled_at.lt(0)),
                                walks.taken, walks.fooled_at);
    if (options_.success == SuccessRule::kAnyIterate) {
      absl::Status status = TakeOut(fooled, seen, logits, gradient, walks);
      if (!status.ok()) return status;
    }
  }
  if (walks.rows.size(0) == 0) return absl::OkStatus();
  walks.ball.Climb(attack_.Ascent(gradient, pass_.targeted(), walks),
                   walks.step_sizes, walks.images);
  walks.taken = walks.taken + 1;
  walks.remaining = walks.remaining - 1;
  // The last iterate needs a verdict but no gradient, so its walk leaves the
  // slot to another one and waits for a pass of forwards.
  const at::Tensor over = walks.remaining.eq(0);
  const at::Tensor chosen = PositionsOf(over);
  if (chosen.size(0) > 0) {
    const Walks ended = walks.Select(chosen);
    arrived_.Add({ended.rows, ended.ball.Snap(ended.images), ended.taken,
                  ended.fooled_at});
    walks.Keep(PositionsOf(over.logical_not()));
  }
  return absl::OkStatus();
}

absl::Status SteppingAttack::Sweep::TakeOut(const at::Tensor& fooled,
                                            const at::Tensor& seen,
                                            const at::Tensor& logits,
                                            at::Tensor& gradient,
                                            Walks& walks) {
  const at::Tensor chosen = PositionsOf(fooled);
  if (chosen.size(0) == 0) return absl::OkStatus();
  Candidates found;
  found.rows = walks.rows.index_select(0, chosen);
  found.images = SelectRows(seen, chosen);
  found.logits = logits.index_select(0, chosen);
  found.iterations = walks.fooled_at.index_select(0, chosen);
  const at::Tensor kept = PositionsOf(fooled.logical_not());
  gradient = SelectRows(gradient, kept);
  walks.Keep(kept);
  return Finish(std::move(found));
}

absl::Status SteppingAttack::Sweep::JudgeArrived() {
  const Arrived arrived = arrived_.TakeFirst(pass_.slots());
  absl::StatusOr<at::Tensor> logits =
      pass_.Logits(arrived.images, arrived.rows);
  if (!logits.ok()) return logits.status();
  const at::Tensor fooled = pass_.Fooled(*logits, arrived.rows);
  Candidates found;
  found.rows = arrived.rows;
  found.images = arrived.images;
  found.logits = *std::move(logits);
  found.iterations = at::where(fooled.logical_and(arrived.fooled_at.lt(0)),
                               arrived.steps, arrived.fooled_at);
  return Finish(std::move(found));
}

absl::Status SteppingAttack::Sweep::Finish(Candidates found) {
  absl::Status status = Judge(pass_, attack_.RandomStarts() > 1, found);
  if (!status.ok()) return status;
  worst_.Add(found);
  // A failure is final unless another start may still fool.
  if (attack_.RandomStarts() < 2) return absl::OkStatus();
  const at::Tensor failed =
      found.rows.masked_select(found.fooled.logical_not()).cpu();
  for (int64_t i = 0; i < failed.size(0); ++i) {
    const int64_t row = failed.data_ptr<int64_t>()[i];
    if (starts_[row] < attack_.RandomStarts()) waiting_.push_back(row);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<AttackResult>> SteppingAttack::Perturb(
    AttackedModel& model, const AttackBatch& batch,
    const RunOptions& options) const {
  const absl::StatusOr<at::Tensor> own_targets = OwnTargets(model);
  if (!own_targets.ok()) return own_targets.status();
  Sweep sweep(*this, *own_targets, model, batch, options);
  if (absl::Status status = sweep.Run(); !status.ok()) return status;
  std::vector<AttackResult> results;
  for (size_t e = 0; e < options.epsilons.size(); ++e) {
    absl::StatusOr<AttackResult> result = sweep.ResultAt(e);
    if (!result.ok()) return result.status();
    results.push_back(*std::move(result));
  }
  return results;
}

}  // namespace adv
