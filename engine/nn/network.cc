#include "engine/nn/network.h"

#include <ATen/ATen.h>

#include "engine/nn/loss.h"

namespace adv {

LogitsAndGradient Network::LossGradient(const at::Tensor& images,
                                        const at::Tensor& classes) const {
  return InputGradient(images, [&classes](const at::Tensor& logits) {
    return AttackLossGradient(logits, classes.to(logits.device()));
  });
}

}  // namespace adv
