#ifndef ADV_TESTS_ENGINE_ATTACKS_TEST_NETWORKS_H_
#define ADV_TESTS_ENGINE_ATTACKS_TEST_NETWORKS_H_

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "engine/attacks/attack.h"
#include "engine/attacks/make_attack.h"
#include "engine/nn/network.h"
#include "tests/engine/toy_network.h"

namespace adv {

inline at::Tensor Floats(const std::vector<float>& values) {
  return at::tensor(values, at::kFloat);
}

inline at::Tensor Longs(const std::vector<int64_t>& values) {
  return at::tensor(values, at::kLong);
}

// How many of a mask are chosen.
inline int64_t Count(const at::Tensor& chosen) {
  return chosen.sum().item<int64_t>();
}

// The same numbers on each call with the same seed.
inline at::Tensor Uniform(at::IntArrayRef shape, uint64_t seed) {
  return at::rand(shape, at::detail::createCPUGenerator(seed));
}

inline at::Tensor Normal(at::IntArrayRef shape, uint64_t seed) {
  return at::randn(shape, at::detail::createCPUGenerator(seed));
}

inline std::vector<int64_t> SmallShape() { return {3, 4, 4}; }

// Five classes over 3x4x4 pixels, which see the image around mid-grey.
inline std::shared_ptr<const Network> RandomNetwork(uint64_t seed,
                                                    double scale = 1) {
  const at::Tensor weights = Normal({5, 48}, seed) * scale;
  return std::make_shared<ToyLinearNetwork>(SmallShape(), weights,
                                            weights.sum(1) * -0.5);
}

// A batch of RandomNetwork's shape, on the lattice of 1/255, labels as given
// by `network` but for every eighth image.
inline AttackBatch RandomBatch(const Network& network, int64_t count,
                               uint64_t seed) {
  AttackBatch batch;
  batch.images = Uniform({count, 3, 4, 4}, seed).mul_(255).round_().div_(255);
  batch.labels = network.Logits(batch.images)->argmax(1);
  for (int64_t i = 7; i < count; i += 8) {
    batch.labels[i] = (batch.labels[i].item<int64_t>() + 1) % 5;
  }
  return batch;
}

inline RunOptions AtEpsilons(std::vector<double> epsilons) {
  RunOptions options;
  options.epsilons = std::move(epsilons);
  return options;
}

inline std::unique_ptr<const Attack> Make(const AttackConfig& config) {
  return MakeAttack(config).value();
}

// The epsilons of two runs that are as strong on RandomNetwork's images.
inline double SmallEpsilon(Norm norm) {
  return norm == Norm::kLinf ? 0.06 : 0.35;
}

inline RunOptions AtEpsilon(double epsilon, Norm norm) {
  RunOptions options = AtEpsilons({epsilon});
  options.norm = norm;
  return options;
}

// Of the one epsilon of `options`.
inline AttackResult RunOne(const AttackConfig& config, const Network& network,
                           const AttackBatch& batch,
                           const RunOptions& options) {
  return Make(config)->Run(network, network, batch, options).value().results[0];
}

// What two runs found and said of it. What it cost is another question.
inline void ExpectSameFindings(const AttackResult& a, const AttackResult& b) {
  EXPECT_TRUE(a.images.equal(b.images));
  EXPECT_TRUE(a.logits.equal(b.logits));
  EXPECT_TRUE(a.success.equal(b.success));
  EXPECT_TRUE(a.iterations.equal(b.iterations));
  EXPECT_TRUE(a.zero_gradient.equal(b.zero_gradient));
}

// Class 0 leads on `image` by `margin`, class 1 gains w * x; `others` more
// classes, which no pixel moves, are far behind. `w` and `image` are [channels,
// height, width], or of one row and [width].
struct TwoClasses {
  TwoClasses(const at::Tensor& w, const at::Tensor& image, double margin,
             int64_t others = 0)
      : network(image.dim() == 3 ? image.sizes().vec()
                                 : std::vector<int64_t>{1, 1, image.size(0)},
                at::cat({at::zeros({1, w.numel()}), w.view({1, -1}),
                         at::zeros({others, w.numel()})}),
                at::cat({at::zeros({1}),
                         -w.flatten().dot(image.flatten()).view({1}) - margin,
                         at::full({others}, -100 * margin) -
                             at::arange(others).to(at::kFloat)})) {
    batch.images = image.reshape(network.traits().image_shape).unsqueeze(0);
    batch.labels = Longs({0});
  }

  bool FallsTo(const AttackConfig& config, double epsilon,
               Norm norm = Norm::kLinf) const {
    return RunOne(config, network, batch, AtEpsilon(epsilon, norm))
        .success.item<bool>();
  }

  ToyLinearNetwork network;
  AttackBatch batch;
};

// Passes everything on, counts the images of each kind of pass and looks at how
// they lie in memory. Gradients lie as the images do.
class CountingNetwork final : public Network {
 public:
  explicit CountingNetwork(std::shared_ptr<const Network> network)
      : Network(network->traits()), network_(std::move(network)) {}

  absl::StatusOr<at::Tensor> Logits(const at::Tensor& images) const override {
    Look(images);
    forwards += images.size(0);
    forward_passes.push_back(images.size(0));
    return network_->Logits(images);
  }
  absl::StatusOr<LogitsAndGradient> InputGradient(
      const at::Tensor& images, const LogitGradient& loss) const override {
    Look(images);
    gradients += images.size(0);
    gradient_passes.push_back(images.size(0));
    LogitsAndGradient found = network_->InputGradient(images, loss).value();
    found.gradient = found.gradient.contiguous(images.suggest_memory_format());
    return found;
  }

  mutable int64_t passes = 0;
  mutable int64_t not_channels_last = 0;  // passes
  mutable int64_t forwards = 0;           // images
  mutable int64_t gradients = 0;
  mutable std::vector<int64_t> forward_passes, gradient_passes;  // their sizes

 private:
  void Look(const at::Tensor& images) const {
    ++passes;
    if (!images.is_contiguous(at::MemoryFormat::ChannelsLast)) {
      ++not_channels_last;
    }
  }

  const std::shared_ptr<const Network> network_;
};

// Two classes: logits (0, height - sum of |x - peak|). Not linear: past the
// peak the gradient turns, so that only who looks again on the way finds it.
class TentNetwork final : public Network {
 public:
  TentNetwork(const at::Tensor& peak, double height)
      : Network(OnCpu(peak.sizes().vec(), 2)), peak_(peak), height_(height) {}

  absl::StatusOr<at::Tensor> Logits(const at::Tensor& images) const override {
    const at::Tensor tent = height_ - (images - peak_).abs().sum({1, 2, 3});
    return at::stack({at::zeros_like(tent), tent}, 1);
  }
  absl::StatusOr<LogitsAndGradient> InputGradient(
      const at::Tensor& images, const LogitGradient& loss) const override {
    const at::Tensor logits = Logits(images).value();
    const at::Tensor slope = loss(logits).select(1, 1).view({-1, 1, 1, 1});
    return LogitsAndGradient{logits, -(images - peak_).sign() * slope};
  }

 private:
  const at::Tensor peak_;
  const double height_;
};

// Two classes: logits (0, sum of value(x) over the pixels), whose derivatives
// are slope(x).
class SumNetwork final : public Network {
 public:
  using Function = std::function<at::Tensor(const at::Tensor& pixels)>;

  SumNetwork(std::vector<int64_t> image_shape, Function value, Function slope)
      : Network(OnCpu(std::move(image_shape), 2)),
        value_(std::move(value)),
        slope_(std::move(slope)) {}

  absl::StatusOr<at::Tensor> Logits(const at::Tensor& images) const override {
    const at::Tensor sum = value_(images).flatten(1).sum(1);
    return at::stack({at::zeros_like(sum), sum}, 1);
  }
  absl::StatusOr<LogitsAndGradient> InputGradient(
      const at::Tensor& images, const LogitGradient& loss) const override {
    const at::Tensor logits = Logits(images).value();
    const at::Tensor share = loss(logits).select(1, 1).view({-1, 1, 1, 1});
    return LogitsAndGradient{logits, slope_(images) * share};
  }

 private:
  const Function value_, slope_;
};

// Of images of 1x1x2 pixels: pixel 0 gains 4 up to .53 and then loses 1, pixel
// 1 gains 1 all the way. From .5 the gradients made of mean size 1 are (1.6,
// .4) and, beyond .53, (-1, 1), of which the sum is (.6, 1.4): positive, where
// that of the signs is not.
inline SumNetwork KinkNetwork() {
  const at::Tensor rise = Floats({4, 1}).view({1, 1, 2});
  const at::Tensor kink = Floats({0.53, 2}).view({1, 1, 2});
  return SumNetwork(
      {1, 1, 2},
      [=](const at::Tensor& x) {
        return at::where(x.lt(kink), (x - kink) * rise, kink - x);
      },
      [=](const at::Tensor& x) {
        return at::where(x.lt(kink), rise.expand_as(x), -at::ones_like(x));
      });
}

// Five classes over 3x4x4 pixels by 24 rectified units: its gradient is another
// one from place to place.
class ReluNetwork final : public Network {
 public:
  explicit ReluNetwork(uint64_t seed)
      : Network(OnCpu(SmallShape(), 5)),
        in_(Normal({24, 48}, seed)),
        out_(Normal({5, 24}, seed + 1)) {}

  absl::StatusOr<at::Tensor> Logits(const at::Tensor& images) const override {
    return (Units(images).clamp_min(0).unsqueeze(1) * out_).sum(-1);
  }
  absl::StatusOr<LogitsAndGradient> InputGradient(
      const at::Tensor& images, const LogitGradient& loss) const override {
    const at::Tensor units = Units(images);
    const at::Tensor logits = (units.clamp_min(0).unsqueeze(1) * out_).sum(-1);
    const at::Tensor back =
        (loss(logits).unsqueeze(-1) * out_).sum(1) * units.gt(0);
    return LogitsAndGradient{
        logits, (back.unsqueeze(-1) * in_).sum(1).reshape(images.sizes())};
  }

 private:
  // [N, 24], around zero for images around mid-grey.
  at::Tensor Units(const at::Tensor& images) const {
    return ((images.contiguous().flatten(1) - 0.5).unsqueeze(1) * in_).sum(-1);
  }

  const at::Tensor in_, out_;
};

}  // namespace adv

#endif  // ADV_TESTS_ENGINE_ATTACKS_TEST_NETWORKS_H_
