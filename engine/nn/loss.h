#ifndef ADV_ENGINE_NN_LOSS_H_
#define ADV_ENGINE_NN_LOSS_H_

#include <ATen/core/Tensor.h>

namespace adv {

// The loss that attacks climb: L = logsumexp_{j != c} z_j - z_c.
//
// Cross-entropy is softplus(L), which is strictly increasing, so the sign and
// the direction of the gradient and every comparison are those of
// cross-entropy; but L does not saturate: where a confident network's
// cross-entropy gradient underflows to zero, L's does not.
//
// `logits` is [N, classes >= 2], `classes` [N] int64 in [0, classes).

// [N]: positive where the softmax probability of c is below one half.
at::Tensor AttackLoss(const at::Tensor& logits, const at::Tensor& classes);

// [N, classes], in closed form: the softmax over j != c, and -1 at c.
at::Tensor AttackLossGradient(const at::Tensor& logits,
                              const at::Tensor& classes);

}  // namespace adv

#endif  // ADV_ENGINE_NN_LOSS_H_
