#include "engine/attacks/gradient_steps.h"

#include <ATen/ATen.h>

#include "engine/attacks/attacked_model.h"
#include "engine/attacks/layout.h"
#include "engine/attacks/stepping_attack.h"

namespace adv {
namespace {

class Fgsm final : public SteppingAttack {
 public:
  explicit Fgsm(const FgsmConfig& config)
      : SteppingAttack(TraitsOf(config)), config_(config) {}

 private:
  Schedule ScheduleAt(double epsilon) const override { return {1, epsilon}; }
  at::Tensor Ascent(const at::Tensor& gradient, bool targeted,
                    Walks&) const override {
    if (!config_.thesis_mode) return gradient;
    // The thesis takes sign(0) = +1 for the loss's gradient. A targeted attack
    // descends, so `gradient` is minus that, and 0 must become -1.
    const at::Tensor positive = targeted ? gradient.gt(0) : gradient.ge(0);
    return positive.to(gradient.scalar_type()).mul_(2).sub_(1);
  }

  const FgsmConfig config_;
};

class Igsm final : public SteppingAttack {
 public:
  explicit Igsm(const IgsmConfig& config)
      : SteppingAttack(TraitsOf(config)), config_(config) {}

 private:
  Schedule ScheduleAt(double epsilon) const override {
    return {IgsmSteps(config_.steps, epsilon), config_.step_size};
  }

  const IgsmConfig config_;
};

class IterativeLeastLikely final : public SteppingAttack {
 public:
  explicit IterativeLeastLikely(const IterativeLeastLikelyConfig& config)
      : SteppingAttack(TraitsOf(config)), config_(config) {}

 private:
  Schedule ScheduleAt(double epsilon) const override {
    return {IgsmSteps(config_.steps, epsilon), config_.step_size};
  }
  absl::StatusOr<at::Tensor> OwnTargets(AttackedModel& model) const override {
    // The clean image fixes the class for all steps (Kurakin et al.).
    const absl::StatusOr<at::Tensor> logits = model.CleanScores();
    if (!logits.ok()) return logits.status();
    return logits->argmin(1);
  }

  const IterativeLeastLikelyConfig config_;
};

class Pgd final : public SteppingAttack {
 public:
  explicit Pgd(const PgdConfig& config)
      : SteppingAttack(TraitsOf(config)), config_(config) {}

 private:
  Schedule ScheduleAt(double epsilon) const override {
    // Without a size of its own, a step grows with the ball.
    return {config_.steps, config_.step_size.value_or(epsilon / 4)};
  }
  int64_t RandomStarts() const override {
    // Restarts from the clean image would repeat one walk.
    return config_.random_start ? config_.restarts.value() : 0;
  }

  const PgdConfig config_;
};

class MiFgsm final : public SteppingAttack {
 public:
  explicit MiFgsm(const MiFgsmConfig& config)
      : SteppingAttack(TraitsOf(config)), config_(config) {}

 private:
  Schedule ScheduleAt(double epsilon) const override {
    // As in the paper, all steps together reach the ball's surface.
    return {config_.steps,
            config_.step_size.value_or(
                epsilon / static_cast<double>(config_.steps.value()))};
  }
  // Equation 6 of the paper: the gradient is divided by its size and
  // accumulated, and only Climb takes the sign. The mean absolute value stands
  // for the paper's L1 norm; they differ by a constant factor, which no
  // direction shows.
  at::Tensor Ascent(const at::Tensor& gradient, bool,
                    Walks& walks) const override {
    // The least size prevents 0 / 0 where the gradient is zero.
    const at::Tensor size =
        ValuesOf(gradient).to(at::kDouble).abs().mean(1).clamp_min(1e-12);
    const at::Tensor normalised = gradient / PerPixel(size.to(at::kFloat));
    walks.momentum =
        walks.momentum.defined()
            ? walks.momentum.mul(config_.momentum.value()) + normalised
            : normalised;
    return walks.momentum;
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
