#ifndef ADV_TESTS_ENGINE_ATTACKS_TEST_NETWORKS_H_
#define ADV_TESTS_ENGINE_ATTACKS_TEST_NETWORKS_H_

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <memory>
#include <utility>
#include <vector>

#include "engine/attacks/attack.h"
#include "engine/nn/network.h"
#include "tests/engine/toy_network.h"

namespace adv {

inline at::Tensor Floats(const std::vector<float>& values) {
  return at::tensor(values, at::kFloat);
}

inline at::Tensor Longs(const std::vector<int64_t>& values) {
  return at::tensor(values, at::kLong);
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
  batch.labels = network.Logits(batch.images).argmax(1);
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

// Passes everything on and counts the images of each kind of pass.
class CountingNetwork final : public Network {
 public:
  explicit CountingNetwork(std::shared_ptr<const Network> network)
      : network_(std::move(network)) {}

  int64_t num_classes() const override { return network_->num_classes(); }
  std::vector<int64_t> image_shape() const override {
    return network_->image_shape();
  }
  at::Device device() const override { return network_->device(); }

  at::Tensor Logits(const at::Tensor& images) const override {
    ++passes;
    forwards += images.size(0);
    return network_->Logits(images);
  }
  LogitsAndGradient InputGradient(const at::Tensor& images,
                                  const LogitGradient& loss) const override {
    ++passes;
    gradients += images.size(0);
    return network_->InputGradient(images, loss);
  }

  mutable int64_t passes = 0;
  mutable int64_t forwards = 0;
  mutable int64_t gradients = 0;

 private:
  const std::shared_ptr<const Network> network_;
};

// Two classes: logits (0, height - sum of |x - peak|). Not linear: past the
// peak the gradient turns, so that only who looks again on the way finds it.
class TentNetwork final : public Network {
 public:
  TentNetwork(const at::Tensor& peak, double height)
      : peak_(peak), height_(height) {}

  int64_t num_classes() const override { return 2; }
  std::vector<int64_t> image_shape() const override {
    return peak_.sizes().vec();
  }
  at::Device device() const override { return at::kCPU; }

  at::Tensor Logits(const at::Tensor& images) const override {
    const at::Tensor tent = height_ - (images - peak_).abs().sum({1, 2, 3});
    return at::stack({at::zeros_like(tent), tent}, 1);
  }
  LogitsAndGradient InputGradient(const at::Tensor& images,
                                  const LogitGradient& loss) const override {
    const at::Tensor logits = Logits(images);
    const at::Tensor slope = loss(logits).select(1, 1).view({-1, 1, 1, 1});
    return {logits, -(images - peak_).sign() * slope};
  }

 private:
  const at::Tensor peak_;
  const double height_;
};

}  // namespace adv

#endif  // ADV_TESTS_ENGINE_ATTACKS_TEST_NETWORKS_H_
