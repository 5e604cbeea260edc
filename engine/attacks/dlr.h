#ifndef ADV_ENGINE_ATTACKS_DLR_H_
#define ADV_ENGINE_ATTACKS_DLR_H_

#include <ATen/core/Tensor.h>

namespace adv {

// The difference of logits ratio (Croce and Hein, arXiv 2003.01690), which
// attacks make larger. Neither scaling nor shifting the logits changes it. With
// z_(1) >= z_(2) >= ... the sorted logits:
//
//   untargeted  -(z_y - max_{i != y} z_i) / (z_(1) - z_(3) + 1e-12)
//   targeted    -(z_y - z_t) / (z_(1) - (z_(3) + z_(4)) / 2 + 1e-12)
//
// `logits` is [M, classes], with at least 3 classes or, targeted, 4. The labels
// y in `labels` and the targets t in `targets` are [M] int64.

// [M]: negative where the label leads.
at::Tensor DlrLoss(const at::Tensor& logits, const at::Tensor& labels);
// [M]: negative where the label is ahead of the target.
at::Tensor TargetedDlrLoss(const at::Tensor& logits, const at::Tensor& labels,
                           const at::Tensor& targets);

// [M, classes], in closed form. Where classes have equal logits, one of them
// counts as the larger.
at::Tensor DlrLossGradient(const at::Tensor& logits, const at::Tensor& labels);
at::Tensor TargetedDlrLossGradient(const at::Tensor& logits,
                                   const at::Tensor& labels,
                                   const at::Tensor& targets);

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_DLR_H_
