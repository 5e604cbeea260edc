#ifndef ADV_TESTS_ENGINE_TOY_NETWORK_H_
#define ADV_TESTS_ENGINE_TOY_NETWORK_H_

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <memory>
#include <utility>
#include <vector>

#include "engine/nn/network.h"

namespace adv {

// What most networks of tests are: exact in any batch, on the CPU, with
// gradients.
inline NetworkTraits OnCpu(std::vector<int64_t> image_shape, int64_t classes) {
  NetworkTraits traits;
  traits.image_shape = std::move(image_shape);
  traits.classes = classes;
  traits.exact_in_any_batch = true;
  return traits;
}

// A network whose answers are known on paper:
//
//   logits = W * flattened(images) + b,   d loss / d image = g * W,
//
// with g the gradient of the loss with respect to the logits. The distance of
// an image to a decision boundary is that of a point to a plane: the margin
// |z_i - z_j| over ||W_i - W_j|| in the dual norm.
//
// Float32 on the CPU. Each sum runs over one image alone, so that like any
// Network its results depend on no other image of the call. Any image shape
// will do; a small one makes tests run in milliseconds. Results are
// contiguous and without a graph.
class ToyLinearNetwork final : public Network {
 public:
  // `weights` is [classes >= 2, channels * height * width] over the flattened
  // (channel, row, column) order, `bias` [classes]; both are copied.
  ToyLinearNetwork(std::vector<int64_t> image_shape, const at::Tensor& weights,
                   const at::Tensor& bias)
      : Network(OnCpu(image_shape, weights.size(0))),
        image_shape_(std::move(image_shape)),
        weights_(weights.to(at::kFloat).clone().contiguous()),
        bias_(bias.to(at::kFloat).clone()) {
    TORCH_CHECK(image_shape_.size() == 3 && weights_.dim() == 2 &&
                    weights_.size(0) >= 2 &&
                    weights_.size(1) == c10::multiply_integers(image_shape_) &&
                    bias_.dim() == 1 && bias_.size(0) == weights_.size(0),
                "weights must be [classes, pixels], bias [classes]");
  }

  absl::StatusOr<at::Tensor> Logits(const at::Tensor& images) const override {
    at::NoGradGuard no_grad;
    TORCH_CHECK(images.dim() == 4 && images.scalar_type() == at::kFloat &&
                    images.sizes().slice(1) == at::IntArrayRef(image_shape_),
                "images must be float32 [N, channels, height, width]");
    const at::Tensor flat = images.detach().contiguous().flatten(1);
    return (flat.unsqueeze(1) * weights_).sum(-1) + bias_;
  }

  absl::StatusOr<LogitsAndGradient> InputGradient(
      const at::Tensor& images,
      const LogitGradient& loss_gradient) const override {
    at::NoGradGuard no_grad;
    const at::Tensor logits = Logits(images).value();
    const at::Tensor gradient =
        (loss_gradient(logits).unsqueeze(-1) * weights_).sum(1);
    return LogitsAndGradient{logits, gradient.reshape(images.sizes())};
  }

 private:
  const std::vector<int64_t> image_shape_;
  const at::Tensor weights_;
  const at::Tensor bias_;
};

// Answers with the brightest channel: logit k is `scale` times the mean of
// channel k. So there are as many classes as channels, and each pixel of
// channel k has weight scale / (height * width) for class k and 0 for others.
inline std::shared_ptr<const Network> MakeChannelMeanNetwork(
    std::vector<int64_t> image_shape, double scale = 1) {
  const int64_t channels = image_shape.at(0);
  const int64_t area = image_shape.at(1) * image_shape.at(2);
  const at::Tensor weights =
      at::eye(channels).repeat_interleave(area, 1) * (scale / area);
  return std::make_shared<ToyLinearNetwork>(std::move(image_shape), weights,
                                            at::zeros({channels}));
}

// `network`, whose fast passes are those of `fast`.
class WithFastPasses final : public Network {
 public:
  WithFastPasses(std::shared_ptr<const Network> network,
                 std::shared_ptr<const Network> fast)
      : Network(network->traits()),
        network_(std::move(network)),
        fast_(std::move(fast)) {}

  absl::StatusOr<at::Tensor> Logits(const at::Tensor& images) const override {
    return network_->Logits(images);
  }
  absl::StatusOr<LogitsAndGradient> InputGradient(
      const at::Tensor& images,
      const LogitGradient& loss_gradient) const override {
    return network_->InputGradient(images, loss_gradient);
  }
  const Network* Fast() const override { return fast_.get(); }

 private:
  const std::shared_ptr<const Network> network_;
  const std::shared_ptr<const Network> fast_;
};

}  // namespace adv

#endif  // ADV_TESTS_ENGINE_TOY_NETWORK_H_
