#include "engine/attacks/gradient_steps.h"

#include <ATen/ATen.h>

#include <utility>

#include "engine/attacks/ball.h"
#include "engine/attacks/candidates.h"
#include "engine/attacks/layout.h"
#include "engine/attacks/pass.h"
#include "engine/attacks/perturbations.h"
#include "engine/attacks/random.h"
#include "engine/nn/loss.h"

namespace adv {
namespace {

struct Schedule {
  int64_t steps = 1;
  double step_size = 0;
  int64_t restarts = 1;
  bool random_start = false;
};

// The images of one walk that are still moving.
struct Moving {
  at::Tensor rows;    // [M] int64, which images of the batch
  at::Tensor places;  // [M] int64, where in the walk's Candidates they go
  at::Tensor images;  // [M, channels, height, width], written in place
  Ball ball;
  bool targeted = false;
  at::Tensor momentum = {};  // as `images`; undefined where there is none

  Moving Select(const at::Tensor& kept) const {
    return {rows.index_select(0, kept),
            places.index_select(0, kept),
            SelectRows(images, kept),
            ball.Select(kept),
            targeted,
            momentum.defined() ? SelectRows(momentum, kept) : momentum};
  }
};

// Takes out the images that iterate `n` fools, with that iterate as result.
void TakeOut(const at::Tensor& seen, const at::Tensor& logits,
             const at::Tensor& fooled, Candidates& found, Moving& moving) {
  const at::Tensor out = fooled.nonzero().flatten();
  if (out.numel() == 0) return;
  FinishAt(moving.places.index_select(0, out), SelectRows(seen, out),
           logits.index_select(0, out), found);
  moving = moving.Select(fooled.logical_not().nonzero().flatten());
}

class GradientSteps : public Attack {
 public:
  bool HasNorm(Norm norm) const override { return norm == Norm::kLinf; }

 protected:
  absl::StatusOr<std::vector<AttackResult>> Perturb(
      Pass& pass, const AttackBatch& batch,
      const RunOptions& options) const override;

 private:
  struct Walk;

  virtual Schedule ScheduleAt(double epsilon) const = 0;
  // What a step climbs (Ball::Climb), from the gradient of the objective. May
  // keep state in `moving`.
  virtual at::Tensor Ascent(const at::Tensor& gradient, Moving&) const {
    return gradient;
  }
  // By the attack's own choice of classes; null for the default.
  virtual absl::StatusOr<at::Tensor> OwnTargets(Pass&) const {
    return at::Tensor();
  }

  absl::StatusOr<AttackResult> PerturbWithin(double epsilon,
                                             const at::Tensor& own_targets,
                                             Pass& pass,
                                             const AttackBatch& batch,
                                             const RunOptions& options) const;
  absl::StatusOr<Candidates> Go(const Walk& walk, Pass& pass) const;
};

// One walk of all images that still stand.
struct GradientSteps::Walk {
  const AttackBatch& batch;
  const RunOptions& options;
  const at::Tensor& own_targets;
  double epsilon;
  Schedule schedule;
  uint32_t restart;
  at::Tensor rows;

  Pass::Objective ObjectiveOf(const Pass& pass, const at::Tensor& of) const {
    if (!own_targets.defined()) return pass.DefaultObjective(of);
    const at::Tensor targets = own_targets.index_select(0, of);
    return [targets](const at::Tensor& logits) {
      return AttackLossGradient(logits, targets).neg();
    };
  }
};

absl::StatusOr<std::vector<AttackResult>> GradientSteps::Perturb(
    Pass& pass, const AttackBatch& batch, const RunOptions& options) const {
  const absl::StatusOr<at::Tensor> own_targets = OwnTargets(pass);
  if (!own_targets.ok()) return own_targets.status();
  std::vector<AttackResult> results;
  for (double epsilon : options.epsilons) {
    absl::StatusOr<AttackResult> result =
        PerturbWithin(epsilon, *own_targets, pass, batch, options);
    if (!result.ok()) return result.status();
    pass.ChargeTo(*result);
    results.push_back(*std::move(result));
  }
  return results;
}

absl::StatusOr<AttackResult> GradientSteps::PerturbWithin(
    double epsilon, const at::Tensor& own_targets, Pass& pass,
    const AttackBatch& batch, const RunOptions& options) const {
  const Schedule schedule = ScheduleAt(epsilon);
  WorstOf worst(batch.labels.size(0));
  if (schedule.random_start && options.success == SuccessRule::kAnyIterate) {
    // The walks do not come by the clean images.
    const absl::StatusOr<at::Tensor> clean = pass.CleanLogits();
    if (!clean.ok()) return clean.status();
    worst.Add(CleanCandidates(
        batch.images, *clean,
        pass.Fooled(*clean, worst.Standing(batch.labels.device()))));
  }
  for (int64_t restart = 0; restart < schedule.restarts; ++restart) {
    const at::Tensor standing = worst.Standing(batch.labels.device());
    if (standing.numel() == 0) break;
    absl::StatusOr<Candidates> found =
        Go({batch, options, own_targets, epsilon, schedule,
            static_cast<uint32_t>(restart), standing},
           pass);
    if (!found.ok()) return found.status();
    worst.Add(*found);
  }
  AttackResult result;
  worst.WriteTo(result);
  return result;
}

absl::StatusOr<Candidates> GradientSteps::Go(const Walk& walk,
                                             Pass& pass) const {
  const Schedule& schedule = walk.schedule;
  const bool all = walk.rows.size(0) == walk.batch.labels.size(0);
  const at::Tensor originals = AsNetworksCompute(
      all ? walk.batch.images : walk.batch.images.index_select(0, walk.rows));
  Ball ball(originals, {walk.options.norm, walk.epsilon},
            {!MayLeaveBox(), walk.options.eight_bit});
  at::Tensor start =
      schedule.random_start
          ? DrawPerturbations(
                Spread::kVolume, walk.options.norm,
                {walk.options.seed, RandomPurpose::kStart, walk.restart, 0},
                walk.batch.samples.index_select(0, walk.rows.cpu()), originals)
                .mul_(walk.epsilon)
                .add_(originals)
          : originals.clone();
  if (schedule.random_start) ball.Project(start);
  Candidates found;
  found.rows = walk.rows;
  found.images = originals;
  found.iterations = at::full_like(walk.rows, -1);
  Moving moving{walk.rows, at::arange(walk.rows.size(0), walk.rows.options()),
                std::move(start), std::move(ball), pass.targeted()};
  for (int64_t n = 0; n < schedule.steps; ++n) {
    const bool clean = n == 0 && !schedule.random_start;
    const at::Tensor seen = moving.ball.Snap(moving.images);
    const Pass::Objective objective = walk.ObjectiveOf(pass, moving.rows);
    absl::StatusOr<LogitsAndGradient> at_iterate =
        clean ? pass.CleanGradient(objective)
              : pass.Gradient(seen, moving.rows, objective);
    if (!at_iterate.ok()) return at_iterate.status();
    at::Tensor gradient = at_iterate->gradient;
    // The source's logits say nothing of the target.
    if (clean || !pass.transfer()) {
      absl::StatusOr<at::Tensor> logits =
          clean ? pass.CleanLogits() : at_iterate->logits;
      if (!logits.ok()) return logits.status();
      const at::Tensor fooled = pass.Fooled(*logits, moving.rows);
      NoteFooled(moving.places.masked_select(fooled), n, found);
      if (walk.options.success == SuccessRule::kAnyIterate) {
        gradient =
            SelectRows(gradient, fooled.logical_not().nonzero().flatten());
        TakeOut(seen, *logits, fooled, found, moving);
        if (moving.rows.numel() == 0) break;
      }
    }
    moving.ball.Climb(Ascent(gradient, moving), schedule.step_size,
                      moving.images);
  }
  if (moving.rows.numel() > 0) {
    const at::Tensor last = moving.ball.Snap(moving.images);
    absl::StatusOr<at::Tensor> logits = pass.Logits(last, moving.rows);
    if (!logits.ok()) return logits.status();
    const at::Tensor fooled = pass.Fooled(*logits, moving.rows);
    NoteFooled(moving.places.masked_select(fooled), schedule.steps, found);
    FinishAt(moving.places, last, *logits, found);
  }
  if (absl::Status status = Judge(pass, schedule.restarts > 1, found);
      !status.ok()) {
    return status;
  }
  return found;
}

class Fgsm final : public GradientSteps {
 public:
  explicit Fgsm(const FgsmConfig& config) : config_(config) {}
  bool MayLeaveBox() const override { return config_.thesis_mode; }

 private:
  Schedule ScheduleAt(double epsilon) const override { return {1, epsilon}; }
  at::Tensor Ascent(const at::Tensor& gradient, Moving& moving) const override {
    if (!config_.thesis_mode) return gradient;
    // sign(0) = +1 of the loss's gradient, which a targeted attack descends.
    const at::Tensor positive =
        moving.targeted ? gradient.gt(0) : gradient.ge(0);
    return positive.to(gradient.scalar_type()).mul_(2).sub_(1);
  }

  const FgsmConfig config_;
};

class Igsm final : public GradientSteps {
 public:
  explicit Igsm(const IgsmConfig& config) : config_(config) {}

 private:
  Schedule ScheduleAt(double epsilon) const override {
    return {IgsmSteps(config_.steps, epsilon), config_.step_size};
  }

  const IgsmConfig config_;
};

class IterativeLeastLikely final : public GradientSteps {
 public:
  explicit IterativeLeastLikely(const IterativeLeastLikelyConfig& config)
      : config_(config) {}
  bool TakesTargets() const override { return false; }

 private:
  Schedule ScheduleAt(double epsilon) const override {
    return {IgsmSteps(config_.steps, epsilon), config_.step_size};
  }
  absl::StatusOr<at::Tensor> OwnTargets(Pass& pass) const override {
    const absl::StatusOr<at::Tensor> logits = pass.CleanScores();
    if (!logits.ok()) return logits.status();
    return logits->argmin(1);
  }

  const IterativeLeastLikelyConfig config_;
};

class Pgd final : public GradientSteps {
 public:
  explicit Pgd(const PgdConfig& config) : config_(config) {}
  bool HasNorm(Norm) const override { return true; }

 private:
  Schedule ScheduleAt(double epsilon) const override {
    return {config_.steps, config_.step_size.value_or(epsilon / 4),
            // Without chance all would be the same.
            config_.random_start ? config_.restarts : 1, config_.random_start};
  }

  const PgdConfig config_;
};

class MiFgsm final : public GradientSteps {
 public:
  explicit MiFgsm(const MiFgsmConfig& config) : config_(config) {}

 private:
  Schedule ScheduleAt(double epsilon) const override {
    return {config_.steps, config_.step_size.value_or(
                               epsilon / static_cast<double>(config_.steps))};
  }
  // Accumulates the gradient over its mean size, not its sign.
  at::Tensor Ascent(const at::Tensor& gradient, Moving& moving) const override {
    const at::Tensor size = gradient.flatten(1).to(at::kDouble).abs().mean(1);
    const at::Tensor normalised =
        gradient / size.clamp_min(1e-12).to(at::kFloat).view({-1, 1, 1, 1});
    moving.momentum = moving.momentum.defined()
                          ? moving.momentum.mul(config_.momentum) + normalised
                          : normalised;
    return moving.momentum;
  }

  const MiFgsmConfig config_;
};

}  // namespace

std::unique_ptr<const Attack> MakeFgsm(const FgsmConfig& config) {
  return std::make_unique<Fgsm>(config);
}

std::unique_ptr<const Attack> MakeIgsm(const IgsmConfig& config) {
  return std::make_unique<Igsm>(config);
}

std::unique_ptr<const Attack> MakeIterativeLeastLikely(
    const IterativeLeastLikelyConfig& config) {
  return std::make_unique<IterativeLeastLikely>(config);
}

std::unique_ptr<const Attack> MakePgd(const PgdConfig& config) {
  return std::make_unique<Pgd>(config);
}

std::unique_ptr<const Attack> MakeMiFgsm(const MiFgsmConfig& config) {
  return std::make_unique<MiFgsm>(config);
}

}  // namespace adv
