#ifndef ADV_TESTS_ENGINE_ATTACKS_BLACK_BOX_NETWORKS_H_
#define ADV_TESTS_ENGINE_ATTACKS_BLACK_BOX_NETWORKS_H_

#include <ATen/ATen.h>

#include <memory>
#include <utility>
#include <vector>

#include "tests/engine/attacks/test_networks.h"

namespace adv {

// Without gradients, as attacks that need none must do.
class ScoringNetwork : public Network {
 public:
  explicit ScoringNetwork(std::shared_ptr<const Network> network)
      : network_(std::move(network)) {}

  int64_t num_classes() const override { return network_->num_classes(); }
  std::vector<int64_t> image_shape() const override {
    return network_->image_shape();
  }
  at::Device device() const override { return network_->device(); }
  LogitsAndGradient InputGradient(const at::Tensor&,
                                  const LogitGradient&) const override {
    TORCH_CHECK(false, "a gradient was asked for");
  }

 protected:
  const std::shared_ptr<const Network> network_;
};

// Says the class and nothing else: 1 for it, 0 for the others.
class OneHotNetwork final : public ScoringNetwork {
 public:
  using ScoringNetwork::ScoringNetwork;
  at::Tensor Logits(const at::Tensor& images) const override {
    return at::one_hot(network_->Logits(images).argmax(1), num_classes())
        .to(at::kFloat);
  }
};

// Keeps what it was asked, one tensor for each call.
class RecordingNetwork final : public ScoringNetwork {
 public:
  using ScoringNetwork::ScoringNetwork;
  at::Tensor Logits(const at::Tensor& images) const override {
    asked.push_back(images.clone());
    return network_->Logits(images);
  }

  mutable std::vector<at::Tensor> asked;
};

// Images of class 0 beside a plane, beyond which lies class 1, all so far from
// the box that it does not matter.
struct BesideAPlane {
  explicit BesideAPlane(int64_t count, uint64_t seed) {
    const at::Tensor w = Normal({48}, seed);
    batch.images = Uniform({count, 3, 4, 4}, seed + 1) * 0.4 + 0.3;
    batch.labels = at::zeros({count}, at::kLong);
    const at::Tensor heights = batch.images.flatten(1).mv(w);
    const double l1 = w.abs().sum().item<double>();
    const double l2 = w.norm().item<double>();
    const double top = heights.max().item<double>() + 0.05 * l2;
    network = std::make_shared<ToyLinearNetwork>(
        SmallShape(), at::stack({at::zeros_like(w), w}),
        at::stack({at::zeros({}), at::full({}, -top)}));
    linf_distances = (top - heights) / l1;
    l2_distances = (top - heights) / l2;
  }

  const at::Tensor& distances(Norm norm) const {
    return norm == Norm::kLinf ? linf_distances : l2_distances;
  }

  std::shared_ptr<const Network> network;
  AttackBatch batch;
  at::Tensor linf_distances, l2_distances;  // [count], to the plane
};

// The largest epsilon that is allowed for images of SmallShape: whatever a
// minimising attack found lies within.
inline RunOptions WithinTheBox(Norm norm) {
  return AtEpsilon(norm == Norm::kLinf ? 1 : 6.9, norm);
}

}  // namespace adv

#endif  // ADV_TESTS_ENGINE_ATTACKS_BLACK_BOX_NETWORKS_H_
