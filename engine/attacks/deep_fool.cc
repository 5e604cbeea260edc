#include "engine/attacks/deep_fool.h"

#include <ATen/ATen.h>

#include "engine/attacks/layout.h"
#include "engine/attacks/lead.h"
#include "engine/attacks/pass.h"

namespace adv {
namespace {

// Onto the boundary as it looks from here.
at::Tensor StepOf(const Lead& lead, Norm norm) {
  const at::Tensor slope = DualSizes(lead.gradient, norm);
  const bool linf = norm == Norm::kLinf;
  const at::Tensor length = lead.values.abs() / (linf ? slope : slope.square());
  return (linf ? lead.gradient.sign() : lead.gradient) *
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
  void Keep(const at::Tensor& kept, Lead& lead) {
    Keep(kept);
    for (at::Tensor* part : {&lead.logits, &lead.values, &lead.gradient}) {
      *part = SelectRows(*part, kept);
    }
  }
};

at::Tensor Not(const at::Tensor& chosen) {
  return chosen.logical_not().nonzero().flatten();
}

class DeepFool final : public LeadAttack {
 public:
  explicit DeepFool(const DeepFoolConfig& config) : config_(config) {}
  bool HasNorm(Norm) const override { return true; }

 private:
  absl::StatusOr<Nearest> FindNearest(Pass& pass, const AttackBatch& batch,
                                      const RunOptions& options) const override;
  // The n-th step, after which `moving` are those that can go on. What fools
  // is offered.
  absl::Status Step(Pass& pass, const AttackBatch& batch, Norm norm, int64_t n,
                    Moving& moving, NearestSoFar& nearest) const;

  const DeepFoolConfig config_;
};

absl::Status DeepFool::Step(Pass& pass, const AttackBatch& batch, Norm norm,
                            int64_t n, Moving& moving,
                            NearestSoFar& nearest) const {
  absl::StatusOr<Lead> lead =
      FindFirstLead(pass, batch, moving.images, moving.rows);
  if (!lead.ok()) return lead.status();
  // As may be where the overshoot leads out again.
  const at::Tensor there = pass.Fooled(lead->logits, moving.rows);
  nearest.Offer(moving.rows, moving.images, lead->logits, there, n - 1);
  moving.Keep(Not(there), *lead);
  if (moving.rows.numel() == 0) return absl::OkStatus();

  absl::Status status =
      FindNearestLead(pass, batch, moving.images, moving.rows, norm,
                      /*within_box=*/true, *lead);
  if (!status.ok()) return status;
  moving.Keep(Not(DualSizes(lead->gradient, norm).eq(0)), *lead);
  if (moving.rows.numel() == 0) return absl::OkStatus();

  moving.moved = moving.moved + StepOf(*lead, norm);
  const at::Tensor originals = SelectRows(batch.images, moving.rows);
  moving.images = (originals + moving.moved).clamp(0, 1);
  const at::Tensor beyond =
      (originals + moving.moved * (1 + config_.overshoot)).clamp(0, 1);
  const absl::StatusOr<at::Tensor> logits = pass.Scores(beyond, moving.rows);
  if (!logits.ok()) return logits.status();
  const at::Tensor fooled = pass.Fooled(*logits, moving.rows);
  nearest.Offer(moving.rows, beyond, *logits, fooled, n);
  moving.Keep(Not(fooled));
  return absl::OkStatus();
}

absl::StatusOr<Nearest> DeepFool::FindNearest(Pass& pass,
                                              const AttackBatch& batch,
                                              const RunOptions& options) const {
  const absl::StatusOr<Nearest> start = AtOriginals(pass, batch);
  if (!start.ok()) return start.status();
  NearestSoFar nearest(*start, batch.images, options.norm);
  const at::Tensor rows = nearest.Missing();
  const at::Tensor originals = SelectRows(batch.images, rows);
  Moving moving{rows, originals, at::zeros_like(originals)};
  for (int64_t n = 1; n <= config_.steps && moving.rows.numel() > 0; ++n) {
    absl::Status status = Step(pass, batch, options.norm, n, moving, nearest);
    if (!status.ok()) return status;
  }
  return nearest.nearest();
}

}  // namespace

std::unique_ptr<const Attack> MakeDeepFool(const DeepFoolConfig& config) {
  return std::make_unique<DeepFool>(config);
}

}  // namespace adv
