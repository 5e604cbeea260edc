#ifndef ADV_TESTS_ENGINE_ATTACKS_NEAREST_H_
#define ADV_TESTS_ENGINE_ATTACKS_NEAREST_H_

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "engine/attacks/minimising.h"
#include "tests/engine/attacks/test_networks.h"

namespace adv {

// For tests of attacks that look for the nearest fooling image.

// 75 values an image, so that rows end in the middle of a vector register.
inline std::vector<int64_t> OddShape() { return {3, 5, 5}; }

// logits = scale (W x + b) + shift, where b makes mid-grey a tie.
struct LinearToy {
  explicit LinearToy(uint64_t seed, int64_t classes = 5, double scale = 1,
                     double shift = 0)
      : LinearToy(Normal({classes, 75}, seed) * scale, shift) {}
  // `w` is [classes, 75], with its scale.
  explicit LinearToy(const at::Tensor& w, double shift = 0)
      : weights(w),
        bias(weights.sum(1) * -0.5 + shift),
        network(OddShape(), weights, bias) {}

  // The images moved into the classes by turns, for `by` at each pixel.
  at::Tensor Inward(const at::Tensor& images, double by, double edge) const {
    const at::Tensor classes =
        at::arange(images.size(0), at::kLong).remainder(weights.size(0));
    const at::Tensor ways =
        (weights.index_select(0, classes) - weights.mean(0)).sign();
    return (images + ways.view(images.sizes()) * by).clamp(edge, 1 - edge);
  }
  // So far from the box that it does not matter.
  AttackBatch Grey(int64_t count, uint64_t seed) const {
    return Batch(Inward(Uniform({count, 3, 5, 5}, seed) * 0.3 + 0.35, 0.15, 0));
  }
  // With every third pixel `edge` from black or white.
  AttackBatch Stark(int64_t count, uint64_t seed, double edge) const {
    return Batch(
        Inward(Uniform({count, 3, 5, 5}, seed) * 1.5 - 0.25, 0.15, edge));
  }
  // Every eighth label (from the eighth on) is wrong.
  AttackBatch Batch(const at::Tensor& images) const {
    AttackBatch batch;
    batch.images = images;
    batch.labels = network.Logits(images).value().argmax(1);
    for (int64_t i = 7; i < images.size(0); i += 8) {
      batch.labels[i] =
          (batch.labels[i].item<int64_t>() + 1) % network.traits().classes;
    }
    batch.clean_logits = network.Logits(images).value();
    return batch;
  }

  at::Tensor weights, bias;
  ToyLinearNetwork network;
};

// The distance of `image` to where w makes up for `margin`, inside the box. By
// bisection: the pixels move as far as `reach` and the box allow.
inline double ExactDistance(const at::Tensor& w, const at::Tensor& image,
                            double margin, Norm norm) {
  const at::Tensor x = image.flatten().to(at::kDouble);
  const at::Tensor slope = w.to(at::kDouble);
  const at::Tensor room = at::where(slope > 0, 1 - x, x);
  const at::Tensor speed =
      norm == Norm::kLinf ? at::ones_like(slope) : slope.abs();
  const auto moves = [&](double reach) { return at::min(speed * reach, room); };
  const auto gain = [&](double reach) {
    return slope.abs().dot(moves(reach)).item<double>();
  };
  double low = 0, high = 1e4;
  if (gain(high) < margin) return std::numeric_limits<double>::infinity();
  for (int i = 0; i < 100; ++i) {
    const double middle = (low + high) / 2;
    (gain(middle) < margin ? low : high) = middle;
  }
  return norm == Norm::kLinf ? high : moves(high).norm().item<double>();
}

// Of an image that `toy` labels `from`, to where `to` leads.
inline double DistanceTo(const LinearToy& toy, const at::Tensor& image,
                         int64_t from, int64_t to, Norm norm) {
  const at::Tensor x = image.flatten().to(at::kDouble);
  const at::Tensor w = (toy.weights[to] - toy.weights[from]).to(at::kDouble);
  const double margin = -(w.dot(x).item<double>() +
                          (toy.bias[to] - toy.bias[from]).item<double>());
  return ExactDistance(w, image, margin, norm);
}

// [N] double: to the nearest other class; 0 where the label is wrong.
inline at::Tensor ExactDistances(const LinearToy& toy, const AttackBatch& batch,
                                 Norm norm) {
  const at::Tensor classes = toy.network.Logits(batch.images).value().argmax(1);
  std::vector<double> distances;
  for (int64_t i = 0; i < classes.size(0); ++i) {
    const int64_t from = classes[i].item<int64_t>();
    double nearest = std::numeric_limits<double>::infinity();
    for (int64_t to = 0; to < toy.network.traits().classes; ++to) {
      if (to == from) continue;
      nearest =
          std::min(nearest, DistanceTo(toy, batch.images[i], from, to, norm));
    }
    const bool wrong = from != batch.labels[i].item<int64_t>();
    distances.push_back(wrong ? 0 : nearest);
  }
  return at::tensor(distances, at::kDouble);
}

// The largest ball that there is.
inline RunOptions Everywhere(Norm norm) {
  RunOptions options;
  options.norm = norm;
  options.epsilons = {norm == Norm::kLinf ? 1 : 8.6};
  return options;
}

inline AttackResult FindNearest(const AttackConfig& config,
                                const Network& network,
                                const AttackBatch& batch, Norm norm) {
  return Make(config)
      ->Run(network, network, batch, Everywhere(norm))
      .value()
      .results[0];
}

// [N] double: how far the results are from the originals.
inline at::Tensor SizesIn(const AttackResult& result, const AttackBatch& batch,
                          Norm norm) {
  return SizesOf(result.images - batch.images, norm);
}

// Two classes; the second one inside a sphere: its margin is r^2 - |x - c|^2. A
// step onto the plane that it looks like ends before the sphere.
class SphereNetwork final : public Network {
 public:
  SphereNetwork(const at::Tensor& centre, double radius)
      : Network(OnCpu(centre.sizes().vec(), 2)),
        centre_(centre),
        radius_(radius) {}

  absl::StatusOr<at::Tensor> Logits(const at::Tensor& images) const override {
    const at::Tensor margin =
        radius_ * radius_ - (images - centre_).square().flatten(1).sum(1);
    return at::stack({at::zeros_like(margin), margin}, 1);
  }
  absl::StatusOr<LogitsAndGradient> InputGradient(
      const at::Tensor& images, const LogitGradient& loss) const override {
    const at::Tensor logits = *Logits(images);
    const at::Tensor slope = loss(logits).select(1, 1).view({-1, 1, 1, 1});
    return LogitsAndGradient{logits, (images - centre_) * -2 * slope};
  }

 private:
  const at::Tensor centre_;
  const double radius_;
};

// A sphere of radius .5 around mid-grey, and images at distances from 1 to 2.
struct SphereToy {
  SphereToy() {
    const at::Tensor ways =
        Normal({6, 75}, 80).sign() * (Uniform({6, 75}, 81) + 0.5);
    const at::Tensor distances = at::linspace(1, 2, 6).unsqueeze(1);
    batch.images =
        (ways / ways.norm(2, 1, true) * distances + 0.5).view({6, 3, 5, 5});
    batch.labels = at::zeros({6}, at::kLong);
    batch.clean_logits = network.Logits(batch.images).value();
  }

  const SphereNetwork network{at::full(OddShape(), 0.5), 0.5};
  AttackBatch batch;
};

}  // namespace adv

#endif  // ADV_TESTS_ENGINE_ATTACKS_NEAREST_H_
