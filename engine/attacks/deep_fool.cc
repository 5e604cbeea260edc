#include "engine/attacks/deep_fool.h"

#include <ATen/ATen.h>

#include "engine/attacks/attacked_model.h"
#include "engine/attacks/layout.h"
#include "engine/attacks/margin.h"

namespace adv {
namespace {

// [M] float32: how many gradients (L-inf: their signs) make up the step onto
// the boundary, taken for a plane. Not finite where the gradient is zero, or so
// small that float32 cannot hold the number. The sizes that it divides by are
// in double: a square of a small float32 could be 0.
at::Tensor LengthsOf(const Margin& margin, Norm norm) {
  const at::Tensor slope = DualSizes(margin.gradient, norm);
  return (margin.values.abs() / (norm == Norm::kLinf ? slope : slope.square()))
      .to(at::kFloat);
}

at::Tensor StepOf(const Margin& margin, Norm norm) {
  return (norm == Norm::kLinf ? margin.gradient.sign() : margin.gradient) *
         PerPixel(LengthsOf(margin, norm));
}

// The images that do not fool yet and can still go on.
struct ActiveImages {
  at::Tensor rows;    // [M] int64, which images of the batch
  at::Tensor images;  // [M, channels, height, width], moved by `moved`
  at::Tensor moved;   // the sum of all steps

  void Keep(const at::Tensor& kept) {
    for (at::Tensor* part : {&rows, &images, &moved}) {
      *part = SelectRows(*part, kept);
    }
  }
  // Also keeps these images' entries in `margin`.
  void Keep(const at::Tensor& kept, Margin& margin) {
    Keep(kept);
    for (at::Tensor* part :
         {&margin.logits, &margin.values, &margin.gradient}) {
      *part = SelectRows(*part, kept);
    }
  }
};

class DeepFool final : public MarginAttack {
 public:
  explicit DeepFool(const DeepFoolConfig& config)
      : MarginAttack(TraitsOf(config)), config_(config) {}

 private:
  absl::StatusOr<Nearest> FindNearest(AttackedModel& model,
                                      const AttackBatch& batch,
                                      const RunOptions& options) const override;
  // Takes the n-th step. Only images that can go on stay in `active`, and
  // `nearest` is offered every image that fools.
  absl::Status Step(AttackedModel& model, const AttackBatch& batch, Norm norm,
                    int64_t n, ActiveImages& active,
                    NearestSoFar& nearest) const;

  const DeepFoolConfig config_;
};

absl::Status DeepFool::Step(AttackedModel& model, const AttackBatch& batch,
                            Norm norm, int64_t n, ActiveImages& active,
                            NearestSoFar& nearest) const {
  absl::StatusOr<Margin> margin =
      FindFirstMargin(model, batch, active.images, active.rows);
  if (!margin.ok()) return margin.status();
  // x + R can fool although x + (1 + overshoot) R did not: the overshoot may
  // have led out of the other class again.
  const at::Tensor there = model.Fooled(margin->logits, active.rows);
  nearest.Offer(active.rows, active.images, margin->logits, there, n - 1);
  active.Keep(PositionsOf(there.logical_not()), *margin);
  if (active.rows.numel() == 0) return absl::OkStatus();

  absl::Status status =
      FindNearestMargin(model, batch, active.images, active.rows, norm,
                        /*within_box=*/true, *margin);
  if (!status.ok()) return status;
  // Without a gradient there is no direction to go. A step of infinite length
  // would be NaN at the pixels without one.
  active.Keep(PositionsOf(LengthsOf(*margin, norm).isfinite()), *margin);
  if (active.rows.numel() == 0) return absl::OkStatus();

  active.moved = active.moved + StepOf(*margin, norm);
  const at::Tensor originals = SelectRows(batch.images, active.rows);
  active.images = (originals + active.moved).clamp(0, 1);
  // The overshoot stretches the sum of all steps, and only for the verdict: the
  // next step starts from x + R.
  const at::Tensor beyond =
      (originals + active.moved * (1 + config_.overshoot.value())).clamp(0, 1);
  const absl::StatusOr<at::Tensor> logits = model.Scores(beyond, active.rows);
  if (!logits.ok()) return logits.status();
  const at::Tensor fooled = model.Fooled(*logits, active.rows);
  nearest.Offer(active.rows, beyond, *logits, fooled, n);
  active.Keep(PositionsOf(fooled.logical_not()));
  return absl::OkStatus();
}

absl::StatusOr<Nearest> DeepFool::FindNearest(AttackedModel& model,
                                              const AttackBatch& batch,
                                              const RunOptions& options) const {
  const absl::StatusOr<Nearest> start = AtOriginals(model, batch);
  if (!start.ok()) return start.status();
  NearestSoFar nearest(*start, batch.images, options.norm);
  const at::Tensor rows = nearest.RowsToAttack();
  const at::Tensor originals = SelectRows(batch.images, rows);
  ActiveImages active{rows, originals, at::zeros_like(originals)};
  for (int64_t n = 1; n <= config_.steps && active.rows.numel() > 0; ++n) {
    absl::Status status = Step(model, batch, options.norm, n, active, nearest);
    if (!status.ok()) return status;
  }
  return nearest.nearest();
}

}  // namespace

std::unique_ptr<const Attack> MakeDeepFool(const DeepFoolConfig& config) {
  return std::make_unique<DeepFool>(config);
}

}  // namespace adv
