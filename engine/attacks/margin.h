#ifndef ADV_ENGINE_ATTACKS_MARGIN_H_
#define ADV_ENGINE_ATTACKS_MARGIN_H_

#include <ATen/core/Tensor.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "engine/attacks/minimising.h"

namespace adv {

// By how much one class leads another for each of M images. Where the margin is
// 0 lies the boundary between them: a plane, as it looks from here.
struct Margin {
  at::Tensor logits;    // [M, classes], the source's
  at::Tensor values;    // [M] double, z_to - z_from
  at::Tensor gradient;  // [M, channels, height, width], of `values`
};

// [M] double: the size of each gradient in the norm dual to `norm`, by which
// the margin grows over a step of size 1.
at::Tensor DualSizes(const at::Tensor& gradient, Norm norm);

// A minimising attack that goes by such margins.
class MarginAttack : public MinimisingAttack {
 public:
  using MinimisingAttack::MinimisingAttack;

 protected:
  // Of the classes `to` over `from`, [M] int64 each, by one gradient pass. One
  // of them may be undefined: the class with the largest logit but for the
  // other one.
  static absl::StatusOr<Margin> FindMargin(AttackedModel& model,
                                           const at::Tensor& images,
                                           const at::Tensor& rows,
                                           const at::Tensor& from,
                                           const at::Tensor& to);

  // Of the strongest rival over the label; targeted, of the target over its
  // strongest rival.
  static absl::StatusOr<Margin> FindGoalMargin(AttackedModel& model,
                                               const AttackBatch& batch,
                                               const at::Tensor& images,
                                               const at::Tensor& rows);

  // In two parts, so that who is fooled can leave in between. Untargeted: of
  // the first other class over the label; then, of all other classes that one
  // whose boundary is nearest, by a pass for each. Targeted: the goal's margin,
  // and no more passes. `within_box`: of each margin's gradient only what the
  // box lets an image follow counts, and is kept.
  static absl::StatusOr<Margin> FindFirstMargin(AttackedModel& model,
                                                const AttackBatch& batch,
                                                const at::Tensor& images,
                                                const at::Tensor& rows);
  static absl::Status FindNearestMargin(AttackedModel& model,
                                        const AttackBatch& batch,
                                        const at::Tensor& images,
                                        const at::Tensor& rows, Norm norm,
                                        bool within_box, Margin& margin);
};

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_MARGIN_H_
