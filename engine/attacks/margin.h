#ifndef ADV_ENGINE_ATTACKS_MARGIN_H_
#define ADV_ENGINE_ATTACKS_MARGIN_H_

#include <ATen/core/Tensor.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "engine/attacks/minimising.h"

namespace adv {

// The lead of one class over another for each of M images. The boundary between
// the classes lies where it is 0. Its gradient makes that boundary a plane, as
// seen from the image.
struct Margin {
  at::Tensor logits;    // [M, classes], the source's
  at::Tensor values;    // [M] double, z_to - z_from
  at::Tensor gradient;  // [M, channels, height, width], of `values`
};

// [M] double: the size of each gradient in the norm dual to `norm`. By so much
// the margin grows over the best step of size 1.
at::Tensor DualSizes(const at::Tensor& gradient, Norm norm);

// A minimising attack that uses such margins.
class MarginAttack : public MinimisingAttack {
 public:
  using MinimisingAttack::MinimisingAttack;

 protected:
  // The margin of the classes `to` over `from`, [M] int64 each, by one gradient
  // pass. One of the two may be undefined; it then is the class with the
  // largest logit but for the other one.
  static absl::StatusOr<Margin> FindMargin(AttackedModel& model,
                                           const at::Tensor& images,
                                           const at::Tensor& rows,
                                           const at::Tensor& from,
                                           const at::Tensor& to);

  // Untargeted, the margin of the strongest rival over the label; targeted,
  // that of the target over its strongest rival.
  static absl::StatusOr<Margin> FindGoalMargin(AttackedModel& model,
                                               const AttackBatch& batch,
                                               const at::Tensor& images,
                                               const at::Tensor& rows);

  // Untargeted, the margin of the first other class over the label; targeted,
  // the goal's margin.
  static absl::StatusOr<Margin> FindFirstMargin(AttackedModel& model,
                                                const AttackBatch& batch,
                                                const at::Tensor& images,
                                                const at::Tensor& rows);

  // Makes `margin` that of the nearest boundary. Before, it is what
  // FindFirstMargin found, so that images that fool can leave in between; or,
  // untargeted, it has no tensors, and this looks at the first other class,
  // too. The gradients of several classes share a pass, in which each image
  // stands once for each class. Targeted, there is no other boundary.
  // `within_box`: only the part of a gradient that the box lets an image follow
  // counts, and is kept.
  static absl::Status FindNearestMargin(AttackedModel& model,
                                        const AttackBatch& batch,
                                        const at::Tensor& images,
                                        const at::Tensor& rows, Norm norm,
                                        bool within_box, Margin& margin);
};

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_MARGIN_H_
