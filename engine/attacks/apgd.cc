#include "engine/attacks/apgd.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>

#include "engine/attacks/attacked_model.h"
#include "engine/attacks/ball.h"
#include "engine/attacks/budget_attack.h"
#include "engine/attacks/candidates.h"
#include "engine/attacks/dlr.h"
#include "engine/attacks/layout.h"
#include "engine/attacks/perturbations.h"
#include "engine/nn/loss.h"

namespace adv {
namespace {

using Loss = ApgdConfig::Loss;

// The paper's alpha and rho.
constexpr double kMomentum = 0.75;
constexpr double kRisesNeeded = 0.75;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// The function of the logits [M, classes] that the attack makes larger.
struct Objective {
  Loss loss;
  at::Tensor labels;   // [M]
  at::Tensor targets;  // [M], or undefined to lead away from the labels

  at::Tensor Value(const at::Tensor& logits) const {
    if (loss == Loss::kDlr) return DlrLoss(logits, labels);
    if (loss == Loss::kTargetedDlr) {
      return TargetedDlrLoss(logits, labels, targets);
    }
    if (targets.defined()) return AttackLoss(logits, targets).neg();
    return AttackLoss(logits, labels);
  }

  at::Tensor Gradient(const at::Tensor& logits) const {
    if (loss == Loss::kDlr) return DlrLossGradient(logits, labels);
    if (loss == Loss::kTargetedDlr) {
      return TargetedDlrLossGradient(logits, labels, targets);
    }
    if (targets.defined()) return AttackLossGradient(logits, targets).neg();
    return AttackLossGradient(logits, labels);
  }

  Objective Select(const at::Tensor& chosen) const {
    return {loss, labels.index_select(0, chosen),
            targets.defined() ? targets.index_select(0, chosen) : targets};
  }
};

// What a network answered about one iterate of the active images.
struct Seen {
  at::Tensor images;    // as the network saw them
  at::Tensor logits;    // [M, classes]
  at::Tensor gradient;  // undefined after the last step

  Seen Select(const at::Tensor& chosen) const {
    return {SelectRows(images, chosen), logits.index_select(0, chosen),
            gradient.defined() ? SelectRows(gradient, chosen) : gradient};
  }
};

// The images of one run that are still under attack.
struct ActiveRuns {
  at::Tensor rows;         // [M] int64, which images of the batch
  at::Tensor result_rows;  // [M] int64, where they are in the run's Candidates
  Objective objective;
  Ball ball;
  at::Tensor images, previous;  // x_n, x_{n-1}
  at::Tensor gradient;          // of the objective, at `images`
  at::Tensor step_size;         // [M]
  at::Tensor loss;              // [M], at the last iterate seen
  at::Tensor best_images, best_gradient, best_loss;
  at::Tensor best_logits;    // of the best image as the network saw it
  at::Tensor rises;          // [M] int64, since the last checkpoint
  at::Tensor best_at_check;  // [M], the best loss at the last checkpoint
  at::Tensor halved;         // [M] bool, at the last checkpoint

  ActiveRuns(const at::Tensor& at_rows, Objective what, Ball within,
             const at::Tensor& start, double epsilon)
      : rows(at_rows),
        result_rows(at::arange(at_rows.size(0), at_rows.options())),
        objective(std::move(what)),
        ball(std::move(within)),
        images(start),
        previous(start),
        gradient(at::zeros_like(start)),
        step_size(at::full_like(rows, 2 * epsilon, at::kFloat)),
        // Infinity keeps the first look from counting as a rise. Its negative,
        // in `best_loss`, makes the start the best image so far.
        loss(at::full_like(step_size, kInfinity)),
        best_images(start),
        best_gradient(gradient),
        best_loss(loss.neg()),
        rises(at::zeros_like(rows)),
        best_at_check(best_loss),
        // The first checkpoint has no earlier one to compare with, and `true`
        // keeps `stuck` false there.
        halved(at::ones_like(rows, at::kBool)) {}

  void Keep(const at::Tensor& kept) {
    objective = objective.Select(kept);
    ball = ball.Select(kept);
    for (at::Tensor* tensor :
         {&rows, &result_rows, &images, &previous, &gradient, &step_size, &loss,
          &best_images, &best_gradient, &best_loss, &best_logits, &rises,
          &best_at_check, &halved}) {
      // `best_logits` are undefined before the first look.
      if (tensor->defined()) *tensor = SelectRows(*tensor, kept);
    }
  }

  void Step(Norm norm, bool first) {
    // The paper's update: z is the plain step, and the momentum then mixes z
    // with the last move. The first step has no last move. The mix weighs
    // x_{n-1} with -.25, so it can leave the ball and is projected again.
    at::Tensor next =
        images.addcmul(PerPixel(step_size), Steepest(gradient, norm));
    ball.Project(next);
    if (!first) {
      next.sub_(images).mul_(kMomentum).add_(images).add_(images - previous,
                                                          1 - kMomentum);
      ball.Project(next);
    }
    previous = std::exchange(images, next);
  }

  void Look(const Seen& seen) {
    const at::Tensor value = objective.Value(seen.logits);
    rises = rises + value.gt(loss);
    loss = value;
    const at::Tensor better = value.gt(best_loss);
    best_loss = at::where(better, value, best_loss);
    best_logits = best_logits.defined()
                      ? at::where(better.unsqueeze(1), seen.logits, best_logits)
                      : seen.logits;
    // These are the unrounded iterates, also in 8-bit mode: steps of less than
    // a byte add up only if no iterate is rounded in between.
    best_images = at::where(PerPixel(better), images, best_images);
    if (!seen.gradient.defined()) return;
    gradient = seen.gradient;
    best_gradient = at::where(PerPixel(better), gradient, best_gradient);
  }

  // Halves step sizes at a checkpoint, `interval` steps after the last one.
  void Check(int64_t interval) {
    // The paper's two conditions: too few steps raised the loss (condition 1),
    // or neither the step size nor the best loss changed since the last
    // checkpoint (condition 2).
    const at::Tensor stuck =
        best_loss.eq(best_at_check).logical_and_(halved.logical_not());
    halved = rises.lt(kRisesNeeded * static_cast<double>(interval))
                 .logical_or_(stuck);
    step_size = at::where(halved, step_size / 2, step_size);
    // `previous` stays as it is, as in the authors' code.
    images = at::where(PerPixel(halved), best_images, images);
    gradient = at::where(PerPixel(halved), best_gradient, gradient);
    best_at_check = best_loss;
    rises = at::zeros_like(rises);
  }
};

// Takes the images that iterate `n` fools out of the run. That iterate is their
// result.
void TakeOut(const at::Tensor& fooled, int64_t n, Seen& seen,
             ActiveRuns& active, Candidates& found) {
  const at::Tensor chosen = PositionsOf(fooled);
  if (chosen.numel() == 0) return;
  const at::Tensor result_rows = active.result_rows.index_select(0, chosen);
  NoteFooled(result_rows, n, found);
  FinishAt(result_rows, SelectRows(seen.images, chosen),
           seen.logits.index_select(0, chosen), found);
  const at::Tensor kept = PositionsOf(fooled.logical_not());
  seen = seen.Select(kept);
  active.Keep(kept);
}

class Apgd final : public BudgetAttack {
 public:
  explicit Apgd(const ApgdConfig& config)
      : BudgetAttack(TraitsOf(config)),
        config_(config),
        checkpoints_(ApgdCheckpoints(config.steps)) {}

 private:
  struct Run {
    const AttackBatch& batch;
    const RunOptions& options;
    double epsilon;
    at::Tensor targets;  // [N], or undefined
    RandomKey start;
    bool one_of_several;
  };

  // [runs, N]: the classes to lead to, a row for each run. Undefined if there
  // is one run that leads to no class.
  absl::StatusOr<at::Tensor> Targets(AttackedModel& model,
                                     const AttackBatch& batch) const;
  absl::StatusOr<AttackResult> PerturbWithin(
      double epsilon, AttackedModel& model, const AttackBatch& batch,
      const RunOptions& options) const override;
  ActiveRuns Start(const Run& run, const at::Tensor& rows) const;
  absl::StatusOr<Candidates> Climb(const Run& run, const at::Tensor& rows,
                                   AttackedModel& model) const;
  // Asks the network about iterate `n`. After the last step it asks for logits
  // alone, as no step follows a gradient any more.
  absl::StatusOr<Seen> LookAt(const ActiveRuns& active, int64_t n,
                              AttackedModel& model) const;

  const ApgdConfig config_;
  const std::vector<int64_t> checkpoints_;
};

absl::StatusOr<at::Tensor> Apgd::Targets(AttackedModel& model,
                                         const AttackBatch& batch) const {
  if (batch.targets.defined()) return batch.targets.unsqueeze(0);
  if (config_.loss != Loss::kTargetedDlr) return at::Tensor();
  const absl::StatusOr<at::Tensor> logits = model.CleanScores();
  if (!logits.ok()) return logits.status();
  const int64_t count =
      std::min<int64_t>(config_.target_classes, logits->size(1) - 1);
  // The label stands last there, so `count` classes never reach it.
  return OthersByLogit(*logits, batch.labels)
      .narrow(1, 0, count)
      .t()
      .contiguous();
}

absl::StatusOr<AttackResult> Apgd::PerturbWithin(
    double epsilon, AttackedModel& model, const AttackBatch& batch,
    const RunOptions& options) const {
  const absl::StatusOr<at::Tensor> found_targets = Targets(model, batch);
  if (!found_targets.ok()) return found_targets.status();
  const at::Tensor& targets = *found_targets;
  WorstOf worst(batch.labels.size(0));
  at::Tensor rows = worst.RowsToAttack(batch.labels.device());
  // A clean image that fools the target is the result and is not attacked. On a
  // transfer the attacker does not know it.
  if (!model.transfer()) {
    const absl::StatusOr<at::Tensor> clean = model.CleanLogits();
    if (!clean.ok()) return clean.status();
    worst.Add(
        CleanCandidates(batch.images, *clean, model.Fooled(*clean, rows)));
  }
  const int64_t classes = targets.defined() ? targets.size(0) : 1;
  for (int64_t i = 0; i < classes * config_.restarts; ++i) {
    rows = worst.RowsToAttack(batch.labels.device());
    if (rows.numel() == 0) break;
    const int64_t target = i / config_.restarts;
    // The key's step is the target's rank, so that each target class has random
    // starts of its own.
    const absl::StatusOr<Candidates> found =
        Climb({batch,
               options,
               epsilon,
               targets.defined() ? targets[target] : targets,
               {options.seed, RandomPurpose::kStart,
                static_cast<uint32_t>(i % config_.restarts),
                static_cast<uint32_t>(target)},
               classes * config_.restarts > 1},
              rows, model);
    if (!found.ok()) return found.status();
    worst.Add(*found);
  }
  AttackResult result;
  worst.WriteTo(result);
  return result;
}

ActiveRuns Apgd::Start(const Run& run, const at::Tensor& rows) const {
  const at::Tensor originals = SelectRows(run.batch.images, rows);
  const Ball ball(originals, {run.options.norm, run.epsilon},
                  {true, run.options.eight_bit});
  at::Tensor start =
      DrawPerturbations(Spread::kSurface, run.options.norm, run.start,
                        run.batch.samples.index_select(0, rows.cpu()),
                        originals)
          .mul_(run.epsilon)
          .add_(originals);
  ball.Project(start);
  const Objective objective{
      config_.loss, run.batch.labels.index_select(0, rows),
      run.targets.defined() ? run.targets.index_select(0, rows) : run.targets};
  return ActiveRuns(rows, objective, ball, start, run.epsilon);
}

absl::StatusOr<Seen> Apgd::LookAt(const ActiveRuns& active, int64_t n,
                                  AttackedModel& model) const {
  Seen seen;
  seen.images = active.ball.Snap(active.images);
  if (n == config_.steps) {
    absl::StatusOr<at::Tensor> logits = model.Scores(seen.images, active.rows);
    if (!logits.ok()) return logits.status();
    seen.logits = *std::move(logits);
    return seen;
  }
  absl::StatusOr<LogitsAndGradient> both = model.Gradient(
      seen.images, active.rows, [&active](const at::Tensor& logits) {
        return active.objective.Gradient(logits);
      });
  if (!both.ok()) return both.status();
  seen.logits = std::move(both->logits);
  seen.gradient = std::move(both->gradient);
  return seen;
}

absl::StatusOr<Candidates> Apgd::Climb(const Run& run, const at::Tensor& rows,
                                       AttackedModel& model) const {
  ActiveRuns active = Start(run, rows);
  Candidates found;
  found.rows = rows;
  // FinishAt takes only shape and layout from these.
  found.images = active.images;
  found.iterations = at::full_like(rows, -1);
  // The checkpoints rise, so the next one is all to look for.
  auto checkpoint = checkpoints_.begin();
  int64_t last_check = 0;
  for (int64_t n = 0; n <= config_.steps; ++n) {
    if (n > 0) active.Step(run.options.norm, n == 1);
    absl::StatusOr<Seen> seen = LookAt(active, n, model);
    if (!seen.ok()) return seen.status();
    // A transfer goes on with all images: the source's logits do not tell
    // whether the target is fooled.
    if (!model.transfer()) {
      TakeOut(model.Fooled(seen->logits, active.rows), n, *seen, active, found);
      if (active.rows.numel() == 0) break;
    }
    active.Look(*seen);
    if (checkpoint != checkpoints_.end() && n == *checkpoint) {
      active.Check(n - std::exchange(last_check, n));
      ++checkpoint;
    }
  }
  if (active.rows.numel() > 0) {
    // The target has seen the best image already, unless this is a transfer.
    const at::Tensor best = active.ball.Snap(active.best_images);
    absl::StatusOr<at::Tensor> logits = active.best_logits;
    if (model.transfer()) logits = model.Logits(best, active.rows);
    if (!logits.ok()) return logits.status();
    const at::Tensor fooled = model.Fooled(*logits, active.rows);
    NoteFooled(active.result_rows.masked_select(fooled), config_.steps, found);
    FinishAt(active.result_rows, best, *logits, found);
  }
  if (absl::Status status = Judge(model, run.one_of_several, found);
      !status.ok()) {
    return status;
  }
  return found;
}

}  // namespace

std::vector<int64_t> ApgdCheckpoints(int64_t steps) {
  const auto share = [steps](int64_t percent) {
    return std::max<int64_t>(1, steps * percent / 100);
  };
  std::vector<int64_t> checkpoints;
  int64_t interval = share(22);
  for (int64_t n = interval; n <= steps; n += interval) {
    checkpoints.push_back(n);
    interval = std::max(interval - share(3), share(6));
  }
  return checkpoints;
}

std::unique_ptr<const Attack> MakeApgd(const ApgdConfig& config) {
  return std::make_unique<Apgd>(config);
}

}  // namespace adv
