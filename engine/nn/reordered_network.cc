#include "engine/nn/reordered_network.h"

#include <ATen/ATen.h>

#include <utility>

namespace adv {
namespace {

class ReorderedNetwork final : public Network {
 public:
  ReorderedNetwork(std::shared_ptr<const Network> network,
                   const std::vector<int64_t>& order)
      : Network(network->traits()),
        network_(std::move(network)),
        order_(at::tensor(order, at::kLong).to(traits().device)),
        // The argsort of a permutation is its inverse.
        back_(order_.argsort()) {
    // Sorted, a permutation of the classes is 0, 1, 2 and so on.
    TORCH_CHECK(order_.size(0) == traits().classes &&
                    order_.index_select(0, back_).equal(
                        at::arange(traits().classes, order_.options())),
                "order must be a permutation of the classes");
  }

  absl::StatusOr<at::Tensor> Logits(const at::Tensor& images) const override {
    absl::StatusOr<at::Tensor> logits = network_->Logits(images);
    if (!logits.ok()) return logits;
    return logits->index_select(1, order_);
  }

  absl::StatusOr<LogitsAndGradient> InputGradient(
      const at::Tensor& images,
      const LogitGradient& loss_gradient) const override {
    // The loss sees the logits in our order of the classes, and its gradient
    // goes back in the network's order.
    absl::StatusOr<LogitsAndGradient> found =
        network_->InputGradient(images, [&](const at::Tensor& logits) {
          return loss_gradient(logits.index_select(1, order_))
              .index_select(1, back_);
        });
    if (!found.ok()) return found;
    found->logits = found->logits.index_select(1, order_);
    return found;
  }

 private:
  const std::shared_ptr<const Network> network_;
  const at::Tensor order_, back_;  // [classes] int64
};

}  // namespace

std::shared_ptr<const Network> Reordered(std::shared_ptr<const Network> network,
                                         std::vector<int64_t> order) {
  return std::make_shared<ReorderedNetwork>(std::move(network), order);
}

}  // namespace adv
