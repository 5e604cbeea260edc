#include "engine/attacks/ball.h"

#include <ATen/ATen.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cmath>

#include "engine/attacks/layout.h"
#include "engine/attacks/perturbations.h"

namespace adv {
namespace {

// Float32 rounding of a pixel, and of an L2 length over thousands of them.
constexpr double kTolerance = 1e-6;
constexpr double kLengthTolerance = 1e-5;

at::Tensor PerImage(const at::Tensor& values) { return values.flatten(1); }

// [N, 1, 1, 1]: the L2 length of each image, in double.
at::Tensor Lengths(const at::Tensor& delta) {
  return PerImage(delta.to(at::kDouble))
      .square()
      .sum(1)
      .sqrt()
      .view({-1, 1, 1, 1});
}

// Whether the values of both, on the CPU, are the same in the same order.
bool HaveOneDenseLayout(const at::Tensor& a, const at::Tensor& b) {
  return a.device().is_cpu() && b.device().is_cpu() &&
         a.is_non_overlapping_and_dense() && a.strides() == b.strides();
}

// Step, ball and box in one pass over memory.
void SignStep(const float* ascent, float step_size, const float* lower,
              const float* upper, int64_t count, float* images) {
  for (int64_t i = 0; i < count; ++i) {
    const float sign =
        static_cast<float>(ascent[i] > 0) - static_cast<float>(ascent[i] < 0);
    const float moved = images[i] + step_size * sign;
    images[i] = std::min(std::max(moved, lower[i]), upper[i]);
  }
}

}  // namespace

at::Tensor ToBytes(const at::Tensor& images) {
  return images.mul(255).round_().clamp_(0, 255);
}

int64_t LevelsWithin(double epsilon) {
  // A caller may have typed 8/255 as .0313725.
  constexpr double kRounding = 1e-4;
  return static_cast<int64_t>(std::floor(255 * epsilon + kRounding));
}

at::Tensor FromBytes(const at::Tensor& bytes) {
  // By a tensor: a scalar divisor may become a multiplication on a GPU.
  return bytes.div(at::full({}, 255, bytes.options()));
}

Ball::Ball(const at::Tensor& originals, const ThreatModel& threat_model,
           const Options& options)
    : norm_(threat_model.norm),
      epsilon_(threat_model.epsilon),
      options_(options),
      originals_(originals) {
  if (norm_ == Norm::kL2) return;
  if (options.eight_bit) {
    const auto radius = static_cast<double>(LevelsWithin(epsilon_));
    epsilon_ = radius / 255;
    const at::Tensor bytes = ToBytes(originals);
    lower_ = FromBytes(bytes.sub(radius).clamp_min_(0));
    upper_ = FromBytes(bytes.add(radius).clamp_max_(255));
    return;
  }
  lower_ = originals.sub(epsilon_);
  upper_ = originals.add(epsilon_);
  if (options.box) {
    lower_.clamp_min_(0);
    upper_.clamp_max_(1);
  }
}

Ball Ball::Select(const at::Tensor& rows) const {
  Ball selected = *this;
  selected.originals_ = SelectRows(originals_, rows);
  if (lower_.defined()) {
    selected.lower_ = SelectRows(lower_, rows);
    selected.upper_ = SelectRows(upper_, rows);
  }
  return selected;
}

void Ball::Project(at::Tensor& images) const {
  if (norm_ == Norm::kLinf) {
    at::clamp_(images, lower_, upper_);
    return;
  }
  images.sub_(originals_);
  // The smallest length keeps 0 / 0 out.
  constexpr double kSmallest = 1e-30;
  images.mul_(Lengths(images)
                  .clamp_min_(kSmallest)
                  .reciprocal_()
                  .mul_(epsilon_)
                  .clamp_max_(1));
  images.add_(originals_);
  if (options_.box) images.clamp_(0, 1);
}

void Ball::Climb(const at::Tensor& ascent, double step_size,
                 at::Tensor& images) const {
  if (norm_ == Norm::kLinf && HaveOneDenseLayout(images, ascent) &&
      HaveOneDenseLayout(images, lower_)) {
    SignStep(ascent.data_ptr<float>(), static_cast<float>(step_size),
             lower_.data_ptr<float>(), upper_.data_ptr<float>(), images.numel(),
             images.data_ptr<float>());
    return;
  }
  images.add_(Steepest(ascent, norm_), step_size);
  Project(images);
}

at::Tensor Ball::Snap(const at::Tensor& images) const {
  if (!options_.eight_bit) return images;
  if (norm_ == Norm::kLinf) return FromBytes(ToBytes(images));
  return FromBytes(
      images.sub(originals_).mul_(255).trunc_().add_(ToBytes(originals_)));
}

absl::Status Ball::Check(const at::Tensor& images) const {
  if (images.sizes() != originals_.sizes() ||
      images.scalar_type() != at::kFloat) {
    return absl::InternalError("the attack returned a batch of another shape");
  }
  if (!images.isfinite().all().item<bool>()) {
    return absl::InternalError(
        "the attack returned a pixel that is not finite");
  }
  if (options_.box && (images.min().item<double>() < -kTolerance ||
                       images.max().item<double>() > 1 + kTolerance)) {
    return absl::InternalError("the attack returned a pixel outside [0, 1]");
  }
  if (options_.eight_bit && !images.equal(FromBytes(ToBytes(images)))) {
    return absl::InternalError("the attack returned a pixel off the lattice");
  }
  const at::Tensor delta = images - originals_;
  const double largest = (norm_ == Norm::kLinf ? delta.abs() : Lengths(delta))
                             .max()
                             .item<double>();
  const double slack = norm_ == Norm::kLinf ? kTolerance : kLengthTolerance;
  if (largest > epsilon_ + slack) {
    return absl::InternalError(absl::StrCat("the attack returned an image ",
                                            largest,
                                            " from its original, outside the "
                                            "ball of radius ",
                                            epsilon_));
  }
  return absl::OkStatus();
}

}  // namespace adv
