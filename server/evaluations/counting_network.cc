#include "server/evaluations/counting_network.h"

#include "server/compute/cost.h"

namespace adv {

CountingNetwork::CountingNetwork(const Network& network,
                                 std::atomic<int64_t>* cost)
    : Network(network.traits()), network_(network), cost_(*cost) {}

absl::StatusOr<at::Tensor> CountingNetwork::Logits(
    const at::Tensor& images) const {
  absl::StatusOr<at::Tensor> logits = network_.Logits(images);
  if (logits.ok()) cost_ += kForwardCost * images.size(0);
  return logits;
}

absl::StatusOr<LogitsAndGradient> CountingNetwork::InputGradient(
    const at::Tensor& images, const LogitGradient& loss_gradient) const {
  absl::StatusOr<LogitsAndGradient> both =
      network_.InputGradient(images, loss_gradient);
  if (both.ok()) cost_ += kGradientCost * images.size(0);
  return both;
}

const Network* CountingNetwork::Fast() const {
  std::call_once(fast_made_, [this] {
    const Network* fast = network_.Fast();
    if (fast == nullptr) return;
    fast_ = std::make_unique<const CountingNetwork>(*fast, &cost_);
  });
  return fast_.get();
}

}  // namespace adv
