#include "engine/attacks/gradient_sign.h"

#include <ATen/ATen.h>

#include <utility>

#include "engine/attacks/ball.h"
#include "engine/attacks/pass.h"

namespace adv {
namespace {

// The images of one epsilon that are still moving.
struct Moving {
  at::Tensor rows;      // [M] int64, which images of the batch
  at::Tensor images;    // [M, channels, height, width], written in place
  at::Tensor gradient;  // of the iterate that was just looked at
  Ball ball;

  Moving Select(const at::Tensor& kept) const {
    return {rows.index_select(0, kept), images.index_select(0, kept),
            gradient.index_select(0, kept), ball.Select(kept)};
  }
};

// Writes `part` to `rows` of `all`, which has `count` rows.
void Put(const at::Tensor& part, const at::Tensor& rows, int64_t count,
         at::Tensor& all) {
  if (part.size(0) == count) {
    all = part;
    return;
  }
  if (!all.defined()) {
    std::vector<int64_t> sizes = part.sizes().vec();
    sizes[0] = count;
    all = at::empty(sizes, part.options());
  }
  all.index_copy_(0, rows, part);
}

// The final image and verdict of the images at `rows`.
void Finish(const at::Tensor& images, const at::Tensor& logits,
            const at::Tensor& rows, AttackResult& result) {
  const int64_t count = result.iterations.size(0);
  Put(images, rows, count, result.images);
  Put(logits, rows, count, result.logits);
}

// Iterate `n` of the images at `rows` is the first that fooled, unless an
// earlier one did.
void NoteFooled(const at::Tensor& rows, int64_t n, AttackResult& result) {
  const at::Tensor before = result.iterations.index_select(0, rows);
  result.iterations.index_copy_(0, rows, before.masked_fill(before.eq(-1), n));
}

// Takes out the images that iterate `n` fools, with that iterate as result.
void TakeOut(const at::Tensor& seen, const at::Tensor& logits,
             const at::Tensor& fooled, AttackResult& result, Moving& moving) {
  const at::Tensor out = fooled.nonzero().flatten();
  if (out.numel() == 0) return;
  Finish(seen.index_select(0, out), logits.index_select(0, out),
         moving.rows.index_select(0, out), result);
  moving = moving.Select(fooled.logical_not().nonzero().flatten());
}

class GradientSign : public Attack {
 public:
  bool HasNorm(Norm norm) const override { return norm == Norm::kLinf; }

 protected:
  absl::StatusOr<std::vector<AttackResult>> Perturb(
      Pass& pass, const AttackBatch& batch,
      const RunOptions& options) const override;

 private:
  virtual int64_t Steps(double epsilon) const = 0;
  virtual double StepSize(double epsilon) const = 0;
  // Of the gradient, elementwise.
  virtual at::Tensor Sign(const at::Tensor& gradient) const {
    return gradient.sign();
  }

  absl::StatusOr<AttackResult> PerturbWithin(double epsilon, Pass& pass,
                                             const AttackBatch& batch,
                                             const RunOptions& options) const;
  void Step(double size, Moving& moving) const {
    moving.images.add_(Sign(moving.gradient), size);
    moving.ball.Project(moving.images);
  }
};

absl::StatusOr<std::vector<AttackResult>> GradientSign::Perturb(
    Pass& pass, const AttackBatch& batch, const RunOptions& options) const {
  std::vector<AttackResult> results;
  for (double epsilon : options.epsilons) {
    absl::StatusOr<AttackResult> result =
        PerturbWithin(epsilon, pass, batch, options);
    if (!result.ok()) return result.status();
    pass.ChargeTo(*result);
    results.push_back(*std::move(result));
  }
  return results;
}

absl::StatusOr<AttackResult> GradientSign::PerturbWithin(
    double epsilon, Pass& pass, const AttackBatch& batch,
    const RunOptions& options) const {
  AttackResult result;
  result.iterations = at::full_like(batch.labels, -1);
  Moving moving{at::arange(batch.labels.size(0), batch.labels.options()),
                batch.images.clone(),
                {},
                Ball(batch.images, {options.norm, epsilon},
                     {!MayLeaveBox(), options.eight_bit})};
  const int64_t steps = Steps(epsilon);
  for (int64_t n = 0; n < steps; ++n) {
    const at::Tensor seen = moving.ball.Snap(moving.images);
    absl::StatusOr<LogitsAndGradient> at_iterate =
        n == 0 ? pass.CleanGradient() : pass.Gradient(seen, moving.rows);
    if (!at_iterate.ok()) return at_iterate.status();
    moving.gradient = at_iterate->gradient;
    // The source's logits say nothing of the target.
    if (n == 0 || !pass.transfer()) {
      absl::StatusOr<at::Tensor> logits =
          n == 0 ? pass.CleanLogits() : at_iterate->logits;
      if (!logits.ok()) return logits.status();
      const at::Tensor fooled = pass.Fooled(*logits, moving.rows);
      NoteFooled(moving.rows.masked_select(fooled), n, result);
      if (options.success == SuccessRule::kAnyIterate) {
        TakeOut(seen, *logits, fooled, result, moving);
        if (moving.rows.numel() == 0) return result;
      }
    }
    Step(pass.direction() * StepSize(epsilon), moving);
  }
  const at::Tensor last = moving.ball.Snap(moving.images);
  absl::StatusOr<at::Tensor> logits = pass.Logits(last, moving.rows);
  if (!logits.ok()) return logits.status();
  const at::Tensor fooled = pass.Fooled(*logits, moving.rows);
  NoteFooled(moving.rows.masked_select(fooled), steps, result);
  Finish(last, *logits, moving.rows, result);
  return result;
}

class Fgsm final : public GradientSign {
 public:
  explicit Fgsm(const FgsmConfig& config) : config_(config) {}
  bool MayLeaveBox() const override { return config_.thesis_mode; }

 private:
  int64_t Steps(double) const override { return 1; }
  double StepSize(double epsilon) const override { return epsilon; }
  at::Tensor Sign(const at::Tensor& gradient) const override {
    if (!config_.thesis_mode) return gradient.sign();
    return gradient.ge(0).to(gradient.scalar_type()).mul_(2).sub_(1);
  }

  const FgsmConfig config_;
};

class Igsm final : public GradientSign {
 public:
  explicit Igsm(const IgsmConfig& config) : config_(config) {}

 private:
  int64_t Steps(double epsilon) const override {
    return IgsmSteps(config_, epsilon);
  }
  double StepSize(double) const override { return config_.step_size; }

  const IgsmConfig config_;
};

}  // namespace

std::unique_ptr<const Attack> MakeFgsm(const FgsmConfig& config) {
  return std::make_unique<Fgsm>(config);
}

std::unique_ptr<const Attack> MakeIgsm(const IgsmConfig& config) {
  return std::make_unique<Igsm>(config);
}

}  // namespace adv
