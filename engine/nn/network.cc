#include "engine/nn/network.h"

#include <ATen/ATen.h>

#include "engine/nn/loss.h"

namespace adv {

absl::StatusOr<LogitsAndGradient> Network::InputGradient(
    const at::Tensor& images, const LogitGradient& loss_gradient) const {
  return absl::UnimplementedError("the model gives no gradients");
}

absl::StatusOr<LogitsAndGradient> Network::LossGradient(
    const at::Tensor& images, const at::Tensor& classes) const {
  // The caller's classes may lie on another device than the network's logits.
  return InputGradient(images, [&classes](const at::Tensor& logits) {
    return AttackLossGradient(logits, classes.to(logits.device()));
  });
}

at::Tensor OneHot(const at::Tensor& decisions, int64_t classes) {
  return at::one_hot(decisions, classes).to(at::kFloat);
}

}  // namespace adv
