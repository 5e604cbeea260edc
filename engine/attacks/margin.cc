#include "engine/attacks/margin.h"

#include <ATen/ATen.h>

#include <limits>
#include <utility>

#include "engine/attacks/attacked_model.h"
#include "engine/attacks/layout.h"

namespace adv {
namespace {

// [M]: the class with the largest logit but for `classes`. A finite stand-in
// for minus infinity would win over small enough logits.
at::Tensor LargestBut(const at::Tensor& logits, const at::Tensor& classes) {
  return logits
      .scatter(1, classes.unsqueeze(1),
               -std::numeric_limits<double>::infinity())
      .argmax(1);
}

// The j-th of the classes other than `classes`, from 0. Those from the class
// that is left out on move up by one.
at::Tensor OtherClass(const at::Tensor& classes, int64_t j) {
  return classes.le(j).to(at::kLong).add_(j);
}

struct Classes {
  at::Tensor from, to;  // [M] int64
};

Classes Resolve(const at::Tensor& logits, const at::Tensor& from,
                const at::Tensor& to) {
  return {from.defined() ? from : LargestBut(logits, to),
          to.defined() ? to : LargestBut(logits, from)};
}

at::Tensor At(const at::Tensor& logits, const at::Tensor& classes) {
  return logits.gather(1, classes.unsqueeze(1)).squeeze(1).to(at::kDouble);
}

// The gradient through the clip to the box: a pixel at the edge cannot go
// outward, so it counts nothing in that direction. A step that counted on such
// pixels would fall short.
at::Tensor WithinBox(const at::Tensor& gradient, const at::Tensor& images) {
  const at::Tensor stopped =
      gradient.gt(0)
          .logical_and(images.ge(1))
          .logical_or(gradient.lt(0).logical_and(images.le(0)));
  return gradient.masked_fill(stopped, 0);
}

// [M] double: the distances to the boundary, taken for a plane; infinite where
// there is no gradient.
at::Tensor Distances(const Margin& margin, Norm norm) {
  const at::Tensor slope = DualSizes(margin.gradient, norm);
  return margin.values.abs().div(slope).masked_fill_(
      slope.eq(0), std::numeric_limits<double>::infinity());
}

}  // namespace

at::Tensor DualSizes(const at::Tensor& gradient, Norm norm) {
  const at::Tensor values = ValuesOf(gradient).to(at::kDouble);
  return norm == Norm::kLinf ? values.abs().sum(1)
                             : values.square().sum(1).sqrt();
}

absl::StatusOr<Margin> MarginAttack::FindMargin(AttackedModel& model,
                                                const at::Tensor& images,
                                                const at::Tensor& rows,
                                                const at::Tensor& from,
                                                const at::Tensor& to) {
  absl::StatusOr<LogitsAndGradient> found =
      model.Gradient(images, rows, [&](const at::Tensor& logits) {
        const Classes classes = Resolve(logits, from, to);
        return at::zeros_like(logits)
            .scatter_(1, classes.to.unsqueeze(1), 1)
            .scatter_(1, classes.from.unsqueeze(1), -1);
      });
  if (!found.ok()) return found.status();
  // The same logits give the same classes as in the callback above.
  const Classes classes = Resolve(found->logits, from, to);
  at::Tensor values =
      At(found->logits, classes.to) - At(found->logits, classes.from);
  return Margin{std::move(found->logits), std::move(values),
                std::move(found->gradient)};
}

absl::StatusOr<Margin> MarginAttack::FindGoalMargin(AttackedModel& model,
                                                    const AttackBatch& batch,
                                                    const at::Tensor& images,
                                                    const at::Tensor& rows) {
  if (model.targeted()) {
    return FindMargin(model, images, rows, {},
                      batch.targets.index_select(0, rows));
  }
  return FindMargin(model, images, rows, batch.labels.index_select(0, rows),
                    {});
}

absl::StatusOr<Margin> MarginAttack::FindFirstMargin(AttackedModel& model,
                                                     const AttackBatch& batch,
                                                     const at::Tensor& images,
                                                     const at::Tensor& rows) {
  if (model.targeted()) return FindGoalMargin(model, batch, images, rows);
  const at::Tensor labels = batch.labels.index_select(0, rows);
  return FindMargin(model, images, rows, labels, OtherClass(labels, 0));
}

absl::Status MarginAttack::FindNearestMargin(AttackedModel& model,
                                             const AttackBatch& batch,
                                             const at::Tensor& images,
                                             const at::Tensor& rows, Norm norm,
                                             bool within_box, Margin& margin) {
  if (within_box) margin.gradient = WithinBox(margin.gradient, images);
  // Towards a target there is one boundary, which is found already.
  if (model.targeted()) return absl::OkStatus();
  const at::Tensor labels = batch.labels.index_select(0, rows);
  at::Tensor nearest = Distances(margin, norm);
  // `margin` already has the first other class. Of equally near classes the
  // first stays.
  for (int64_t j = 1; j < margin.logits.size(1) - 1; ++j) {
    absl::StatusOr<Margin> other =
        FindMargin(model, images, rows, labels, OtherClass(labels, j));
    if (!other.ok()) return other.status();
    if (within_box) other->gradient = WithinBox(other->gradient, images);
    const at::Tensor distances = Distances(*other, norm);
    const at::Tensor nearer = distances.lt(nearest);
    nearest = at::where(nearer, distances, nearest);
    // `margin.logits` are the same for all classes, as the images are.
    margin.values = at::where(nearer, other->values, margin.values);
    margin.gradient =
        at::where(PerPixel(nearer), other->gradient, margin.gradient);
  }
  return absl::OkStatus();
}

}  // namespace adv
