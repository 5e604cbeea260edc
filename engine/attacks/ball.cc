#include "engine/attacks/ball.h"

#include <ATen/ATen.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/attacks/layout.h"
#include "engine/attacks/perturbations.h"

namespace adv {
namespace {

// Float32 rounding of a pixel, and of an L2 length over thousands of them.
constexpr double kTolerance = 1e-6;
constexpr double kLengthTolerance = 1e-5;
// A caller may type 8/255 as .0313725, which is a hair less than 8 levels. This
// slack, in levels, makes it 8 again.
constexpr double kTyped = 1e-4;

// [N] double
at::Tensor L2Lengths(const at::Tensor& delta) {
  return ValuesOf(delta).to(at::kDouble).square().sum(1).sqrt();
}

// True if both tensors are on the CPU, hold image after image without gaps, and
// order the values of an image alike.
bool HaveOneDenseLayout(const at::Tensor& a, const at::Tensor& b) {
  return a.device().is_cpu() && b.device().is_cpu() &&
         a.is_non_overlapping_and_dense() && a.strides() == b.strides() &&
         a.stride(0) * a.size(0) == a.numel();
}

// Does the step, the ball and the box of one image in one pass over memory.
void SignStep(const float* ascent, float step_size, const float* lower,
              const float* upper, int64_t count, float* image) {
  for (int64_t i = 0; i < count; ++i) {
    const float sign =
        static_cast<float>(ascent[i] > 0) - static_cast<float>(ascent[i] < 0);
    const float moved = image[i] + step_size * sign;
    image[i] = std::min(std::max(moved, lower[i]), upper[i]);
  }
}

}  // namespace

at::Tensor ToBytes(const at::Tensor& images) {
  return images.mul(255).round_().clamp_(0, 255);
}

int64_t LevelsWithin(double epsilon) {
  return static_cast<int64_t>(std::floor(255 * epsilon + kTyped));
}

at::Tensor FromBytes(const at::Tensor& bytes) {
  // The divisor is a tensor because a GPU may replace division by a scalar with
  // multiplication by its reciprocal, which rounds differently.
  return bytes.div(at::full({}, 255, bytes.options()));
}

Ball::Ball(const at::Tensor& originals, Norm norm, const at::Tensor& epsilons,
           const Options& options)
    : norm_(norm),
      options_(options),
      originals_(originals),
      epsilons_(epsilons) {
  // L2 measures each image when it projects, so it needs no bounds.
  if (norm_ == Norm::kL2) return;
  if (options.eight_bit) {
    // LevelsWithin of each. The bounds are computed in bytes, which float32
    // holds exactly, so that they lie on the lattice.
    const at::Tensor levels = epsilons.mul(255).add_(kTyped).floor_();
    epsilons_ = levels / 255;
    const at::Tensor bytes = ToBytes(originals);
    const at::Tensor radius = PerPixel(levels.to(at::kFloat));
    lower_ = FromBytes(bytes.sub(radius).clamp_min_(0));
    upper_ = FromBytes(bytes.add(radius).clamp_max_(255));
    return;
  }
  const at::Tensor radius = PerPixel(epsilons.to(at::kFloat));
  lower_ = originals.sub(radius);
  upper_ = originals.add(radius);
  if (options.box) {
    lower_.clamp_min_(0);
    upper_.clamp_max_(1);
  }
}

Ball::Ball(const at::Tensor& originals, const ThreatModel& threat_model,
           const Options& options)
    : Ball(originals, threat_model.norm,
           at::full({originals.size(0)}, threat_model.epsilon,
                    originals.options().dtype(at::kDouble)),
           options) {}

Ball Ball::Select(const at::Tensor& chosen) const {
  Ball selected = *this;
  for (at::Tensor* part : selected.parts()) *part = SelectRows(*part, chosen);
  return selected;
}

Ball Ball::Join(const Ball& other) const {
  Ball joined = *this, added = other;
  const std::vector<at::Tensor*> to = joined.parts(), from = added.parts();
  for (size_t i = 0; i < to.size(); ++i) *to[i] = at::cat({*to[i], *from[i]});
  return joined;
}

std::vector<at::Tensor*> Ball::parts() {
  if (norm_ == Norm::kL2) return {&originals_, &epsilons_};
  return {&originals_, &epsilons_, &lower_, &upper_};
}

void Ball::Project(at::Tensor& images) const {
  if (norm_ == Norm::kLinf) {
    at::clamp_(images, lower_, upper_);
    return;
  }
  images.sub_(originals_);
  // The least length prevents 0 / 0 at the original itself.
  constexpr double kSmallest = 1e-30;
  images.mul_(PerPixel(
      (epsilons_ / L2Lengths(images).clamp_min_(kSmallest)).clamp_max_(1)));
  images.add_(originals_);
  // The original lies in the box, so this clip moves no pixel away from it, and
  // the image stays in the ball.
  if (options_.box) images.clamp_(0, 1);
}

void Ball::Climb(const at::Tensor& ascent, const at::Tensor& step_sizes,
                 at::Tensor& images) const {
  const at::Tensor sizes = step_sizes.to(at::kFloat);
  if (norm_ == Norm::kLinf && HaveOneDenseLayout(images, ascent) &&
      HaveOneDenseLayout(images, lower_)) {
    const int64_t count = images.numel() / std::max<int64_t>(images.size(0), 1);
    for (int64_t i = 0; i < images.size(0); ++i) {
      const int64_t at = i * count;
      SignStep(ascent.data_ptr<float>() + at, sizes.data_ptr<float>()[i],
               lower_.data_ptr<float>() + at, upper_.data_ptr<float>() + at,
               count, images.data_ptr<float>() + at);
    }
    return;
  }
  // The alpha of add may round the vectorised part of a tensor otherwise than
  // the rest, and an image would depend on its place in the batch. A product of
  // its own rounds alike everywhere.
  images.add_(Steepest(ascent, norm_).mul_(PerPixel(sizes)));
  Project(images);
}

at::Tensor Ball::Snap(const at::Tensor& images) const {
  if (!options_.eight_bit) return images;
  // The L-inf bounds lie on the lattice, so the nearest byte is within them.
  // The nearest byte could lengthen an L2 perturbation, while one toward the
  // original cannot.
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
  const bool linf = norm_ == Norm::kLinf;
  const at::Tensor sizes =
      linf ? ValuesOf(delta).abs().amax(1).to(at::kDouble) : L2Lengths(delta);
  const at::Tensor excess = sizes - epsilons_;
  if (excess.max().item<double>() > (linf ? kTolerance : kLengthTolerance)) {
    const at::Tensor worst = excess.argmax();
    return absl::InternalError(absl::StrCat(
        "the attack returned an image ", sizes[worst].item<double>(),
        " from its original, outside the ball of radius ",
        epsilons_[worst].item<double>()));
  }
  return absl::OkStatus();
}

}  // namespace adv
