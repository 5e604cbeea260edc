#include "engine/nn/loss.h"

#include <ATen/ATen.h>

#include <limits>

namespace adv {
namespace {

// The logits with that of the class itself at -inf, so that it adds nothing to
// a logsumexp and gets 0 from a softmax. `column` is `classes` as [N, 1].
at::Tensor Others(const at::Tensor& logits, const at::Tensor& column) {
  return logits.scatter(1, column, -std::numeric_limits<double>::infinity());
}

}  // namespace

at::Tensor AttackLoss(const at::Tensor& logits, const at::Tensor& classes) {
  const at::Tensor column = classes.unsqueeze(1);
  return at::logsumexp(Others(logits, column), 1) -
         logits.gather(1, column).squeeze(1);
}

at::Tensor AttackLossGradient(const at::Tensor& logits,
                              const at::Tensor& classes) {
  const at::Tensor column = classes.unsqueeze(1);
  // The derivative of a logsumexp is the softmax; that of -z_c is -1.
  return at::softmax(Others(logits, column), 1).scatter(1, column, -1.0);
}

}  // namespace adv
