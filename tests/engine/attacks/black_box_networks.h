#ifndef ADV_TESTS_ENGINE_ATTACKS_BLACK_BOX_NETWORKS_H_
#define ADV_TESTS_ENGINE_ATTACKS_BLACK_BOX_NETWORKS_H_

#include <ATen/ATen.h>

#include <memory>
#include <utility>
#include <vector>

#include "tests/engine/attacks/nearest.h"
#include "tests/engine/attacks/test_networks.h"

namespace adv {

// Without gradients, as attacks that need none must do.
class ScoringNetwork : public Network {
 public:
  explicit ScoringNetwork(std::shared_ptr<const Network> network)
      : Network(network->traits()), network_(std::move(network)) {}

  absl::StatusOr<LogitsAndGradient> InputGradient(
      const at::Tensor&, const LogitGradient&) const override {
    TORCH_CHECK(false, "a gradient was asked for");
  }

 protected:
  const std::shared_ptr<const Network> network_;
};

// Says the class and nothing else: 1 for it, 0 for the others.
class OneHotNetwork final : public ScoringNetwork {
 public:
  using ScoringNetwork::ScoringNetwork;
  absl::StatusOr<at::Tensor> Logits(const at::Tensor& images) const override {
    return OneHot(network_->Logits(images)->argmax(1), traits().classes);
  }
};

// Keeps what it was asked, one tensor for each call.
class RecordingNetwork final : public ScoringNetwork {
 public:
  using ScoringNetwork::ScoringNetwork;
  absl::StatusOr<at::Tensor> Logits(const at::Tensor& images) const override {
    asked.push_back(images.clone());
    return network_->Logits(images);
  }

  mutable std::vector<at::Tensor> asked;
};

// Images of class 0 beside a plane, beyond which lies class 1. The box soon
// stops the first `stopped` pixels, on which the plane depends most; it is so
// far from the others that it does not matter.
struct BesideAPlane {
  explicit BesideAPlane(int64_t count, uint64_t seed, int64_t stopped = 0) {
    const at::Tensor w = Normal({48}, seed);
    const at::Tensor pixels = Uniform({count, 48}, seed + 1) * 0.4 + 0.3;
    const at::Tensor heavy = w.narrow(0, 0, stopped);
    heavy.copy_(heavy.sign() * 3);
    pixels.narrow(1, 0, stopped).copy_(heavy.sign() * 0.495 + 0.5);
    batch.images = pixels.view({count, 3, 4, 4});
    batch.labels = at::zeros({count}, at::kLong);
    const at::Tensor heights = pixels.mv(w);
    const double top =
        heights.max().item<double>() + 0.05 * w.norm().item<double>();
    network = std::make_shared<ToyLinearNetwork>(
        SmallShape(), at::stack({at::zeros_like(w), w}),
        at::stack({at::zeros({}), at::full({}, -top)}));
    std::vector<double> linf, l2;
    for (int64_t i = 0; i < count; ++i) {
      const double margin = top - heights[i].item<double>();
      linf.push_back(ExactDistance(w, pixels[i], margin, Norm::kLinf));
      l2.push_back(ExactDistance(w, pixels[i], margin, Norm::kL2));
    }
    linf_distances = at::tensor(linf, at::kDouble);
    l2_distances = at::tensor(l2, at::kDouble);
  }

  const at::Tensor& distances(Norm norm) const {
    return norm == Norm::kLinf ? linf_distances : l2_distances;
  }

  std::shared_ptr<const Network> network;
  AttackBatch batch;
  // [count] double, to where the plane is met inside the box.
  at::Tensor linf_distances, l2_distances;
};

// The largest epsilon that is allowed for images of SmallShape: whatever a
// minimising attack found lies within.
inline RunOptions WithinTheBox(Norm norm) {
  return AtEpsilon(norm == Norm::kLinf ? 1 : 6.9, norm);
}

}  // namespace adv

#endif  // ADV_TESTS_ENGINE_ATTACKS_BLACK_BOX_NETWORKS_H_
