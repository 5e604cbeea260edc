#include "engine/attacks/deep_fool.h"

#include <ATen/ATen.h>

#include "engine/attacks/attacked_model.h"
#include "engine/attacks/layout.h"
#include "engine/attacks/margin.h"

namespace adv {
namespace {

// The step onto the boundary, taken for a plane.
at::Tensor StepOf(const Margin& margin, Norm norm) {
  const at::Tensor slope = DualSizes(margin.gradient, norm);
  const bool linf = norm == Norm::kLinf;
  const at::Tensor length =
      margin.values.abs() / (linf ? slope : slope.square());
  return (linf ? margin.gradient.sign() : margin.gradient) *
         PerPixel(length.to(at::kFloat));
}

// The images that fool nothing yet.
struct Moving {
  at::Tensor rows;    // [M] int64, which images of the batch
  at::Tensor images;  // [M, channels, height, width], with `moved`
  at::Tensor moved;   // the sum of all steps

  void Keep(const at::Tensor& kept) {
    for (at::Tensor* part : {&rows, &images, &moved}) {
      *part = SelectRows(*part, kept);
    }
  }
  void Keep(const at::Tensor& kept, Margin& margin) {
    Keep(kept);
    for (at::Tensor* part :
         {&margin.logits, &margin.values, &margin.gradient}) {
      *part = SelectRows(*part, kept);
    }
  }
};

at::Tensor Not(const at::Tensor& chosen) {
  return chosen.logical_not().nonzero().flatten();
}

class DeepFool final : public MarginAttack {
 public:
  explicit DeepFool(const DeepFoolConfig& config)
      : MarginAttack(TraitsOf(config)), config_(config) {}

 private:
  absl::StatusOr<Nearest> FindNearest(AttackedModel& model,
                                      const AttackBatch& batch,
                                      const RunOptions& options) const override;
  // Takes the n-th step. `moving` keeps the images that can go on, and
  // `nearest` is offered every image that fools.
  absl::Status Step(AttackedModel& model, const AttackBatch& batch, Norm norm,
                    int64_t n, Moving& moving, NearestSoFar& nearest) const;

  const DeepFoolConfig config_;
};

absl::Status DeepFool::Step(AttackedModel& model, const AttackBatch& batch,
                            Norm norm, int64_t n, Moving& moving,
                            NearestSoFar& nearest) const {
  absl::StatusOr<Margin> margin =
      FindFirstMargin(model, batch, moving.images, moving.rows);
  if (!margin.ok()) return margin.status();
  // x + R can fool although x + (1 + overshoot) R did not: the overshoot may
  // have led out of the other class again.
  const at::Tensor there = model.Fooled(margin->logits, moving.rows);
  nearest.Offer(moving.rows, moving.images, margin->logits, there, n - 1);
  moving.Keep(Not(there), *margin);
  if (moving.rows.numel() == 0) return absl::OkStatus();

  absl::Status status =
      FindNearestMargin(model, batch, moving.images, moving.rows, norm,
                        /*within_box=*/true, *margin);
  if (!status.ok()) return status;
  // Without a gradient there is no direction to go.
  moving.Keep(Not(DualSizes(margin->gradient, norm).eq(0)), *margin);
  if (moving.rows.numel() == 0) return absl::OkStatus();

  moving.moved = moving.moved + StepOf(*margin, norm);
  const at::Tensor originals = SelectRows(batch.images, moving.rows);
  moving.images = (originals + moving.moved).clamp(0, 1);
  // The overshoot stretches the sum of all steps, and only for the verdict: the
  // next step starts from x + R.
  const at::Tensor beyond =
      (originals + moving.moved * (1 + config_.overshoot.value())).clamp(0, 1);
  const absl::StatusOr<at::Tensor> logits = model.Scores(beyond, moving.rows);
  if (!logits.ok()) return logits.status();
  const at::Tensor fooled = model.Fooled(*logits, moving.rows);
  nearest.Offer(moving.rows, beyond, *logits, fooled, n);
  moving.Keep(Not(fooled));
  return absl::OkStatus();
}

absl::StatusOr<Nearest> DeepFool::FindNearest(AttackedModel& model,
                                              const AttackBatch& batch,
                                              const RunOptions& options) const {
  const absl::StatusOr<Nearest> start = AtOriginals(model, batch);
  if (!start.ok()) return start.status();
  NearestSoFar nearest(*start, batch.images, options.norm);
  const at::Tensor rows = nearest.Missing();
  const at::Tensor originals = SelectRows(batch.images, rows);
  Moving moving{rows, originals, at::zeros_like(originals)};
  for (int64_t n = 1; n <= config_.steps && moving.rows.numel() > 0; ++n) {
    absl::Status status = Step(model, batch, options.norm, n, moving, nearest);
    if (!status.ok()) return status;
  }
  return nearest.nearest();
}

}  // namespace

std::unique_ptr<const Attack> MakeDeepFool(const DeepFoolConfig& config) {
  return std::make_unique<DeepFool>(config);
}

}  // namespace adv
