#include "engine/attacks/perturbations.h"

#include <ATen/ATen.h>

#include <vector>

#include "engine/attacks/layout.h"

namespace adv {
namespace {

// The least length; it prevents 0 / 0.
constexpr double kSmallest = 1e-30;

// [M, values] -> [M, 1]
at::Tensor Lengths(const at::Tensor& values) {
  return values.to(at::kDouble)
      .square()
      .sum(1, /*keepdim=*/true)
      .sqrt()
      .clamp_min_(kSmallest);
}

at::Tensor Draw(Spread spread, Norm norm, const RandomKey& key,
                const std::vector<int64_t>& samples, int64_t count) {
  // Normal values over their length are uniform on the L2 sphere, so two kinds
  // of spread are the same there.
  if (norm == Norm::kL2) {
    if (spread == Spread::kVolume) return DrawInUnitBall(key, samples, count);
    const at::Tensor values = DrawNormal(key, samples, count);
    return (values / Lengths(values)).to(at::kFloat);
  }
  if (spread == Spread::kNormal) {
    return DrawNormal(key, samples, count).mul_(0.5);
  }
  // The L-inf ball is a cube, in which each value is uniform by itself.
  const at::Tensor values = DrawUniform(key, samples, count).mul_(2).sub_(1);
  if (spread == Spread::kVolume) return values;
  return values.div_(
      values.abs().amax(1, /*keepdim=*/true).clamp_min_(kSmallest));
}

}  // namespace

at::Tensor Steepest(const at::Tensor& gradient, Norm norm) {
  if (norm == Norm::kLinf) return gradient.sign();
  return gradient / PerPixel(Lengths(ValuesOf(gradient)).to(at::kFloat));
}

at::Tensor DrawPerturbations(Spread spread, Norm norm, const RandomKey& key,
                             const at::Tensor& samples,
                             const at::Tensor& images) {
  // Numbers are drawn on the CPU, so all devices get the same.
  const std::vector<int64_t> keys(
      samples.data_ptr<int64_t>(),
      samples.data_ptr<int64_t>() + samples.numel());
  const int64_t count = images.numel() / images.size(0);
  return ImagesOf(Draw(spread, norm, key, keys, count), images)
      .to(images.device());
}

}  // namespace adv
