#include "engine/attacks/dlr.h"

#include <ATen/ATen.h>

#include <limits>
#include <tuple>

namespace adv {
namespace {

// The ratio -(z_y - z_r) / D. D is z_(1) less the mean of some lower logits.
// All columns are [M, 1].
struct Ratio {
  at::Tensor label, rival;  // the classes y and r
  at::Tensor top;           // the class of z_(1)
  at::Tensor lower;         // [M, K], the classes of the lower logits
  at::Tensor spread;        // D
  at::Tensor value;

  at::Tensor Gradient(const at::Tensor& logits) const {
    // The quotient rule. The parts are added because one class often has two
    // roles: the label or the rival may be that of z_(1).
    const at::Tensor share = value / spread;
    const at::Tensor each = share / lower.size(1);
    return at::zeros_like(logits)
        .scatter_add_(1, rival, spread.reciprocal())
        .scatter_add_(1, label, -spread.reciprocal())
        .scatter_add_(1, top, -share)
        .scatter_add_(1, lower, each.expand_as(lower).contiguous());
  }
};

// The lower logits are the third largest and the `lower_count` - 1 after it.
Ratio MakeRatio(const at::Tensor& logits, const at::Tensor& labels,
                const at::Tensor& rivals, int64_t lower_count) {
  at::Tensor values, classes;
  std::tie(values, classes) = logits.topk(2 + lower_count, 1);
  Ratio ratio;
  ratio.label = labels.unsqueeze(1);
  ratio.rival = rivals.unsqueeze(1);
  ratio.top = classes.narrow(1, 0, 1);
  ratio.lower = classes.narrow(1, 2, lower_count);
  // The least spread, as in the paper, prevents 0 / 0 where logits are equal.
  ratio.spread = values.narrow(1, 0, 1) -
                 values.narrow(1, 2, lower_count).mean(1, /*keepdim=*/true) +
                 1e-12;
  ratio.value =
      (logits.gather(1, ratio.rival) - logits.gather(1, ratio.label)) /
      ratio.spread;
  return ratio;
}

Ratio Untargeted(const at::Tensor& logits, const at::Tensor& labels) {
  // Infinity takes the label out of the rivals.
  const at::Tensor others = logits.scatter(
      1, labels.unsqueeze(1), -std::numeric_limits<double>::infinity());
  return MakeRatio(logits, labels, others.argmax(1), 1);
}

Ratio Targeted(const at::Tensor& logits, const at::Tensor& labels,
               const at::Tensor& targets) {
  return MakeRatio(logits, labels, targets, 2);
}

}  // namespace

at::Tensor DlrLoss(const at::Tensor& logits, const at::Tensor& labels) {
  return Untargeted(logits, labels).value.squeeze(1);
}

at::Tensor TargetedDlrLoss(const at::Tensor& logits, const at::Tensor& labels,
                           const at::Tensor& targets) {
  return Targeted(logits, labels, targets).value.squeeze(1);
}

at::Tensor DlrLossGradient(const at::Tensor& logits, const at::Tensor& labels) {
  return Untargeted(logits, labels).Gradient(logits);
}

at::Tensor TargetedDlrLossGradient(const at::Tensor& logits,
                                   const at::Tensor& labels,
                                   const at::Tensor& targets) {
  return Targeted(logits, labels, targets).Gradient(logits);
}

}  // namespace adv
