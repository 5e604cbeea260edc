#include "engine/attacks/margin.h"

#include <ATen/ATen.h>

#include <algorithm>
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

// [times * M]: the j-th of the classes other than each of `classes` [M], from
// 0, then the one after it for each, `times` over. Those from the class that is
// left out on move up by one.
at::Tensor OtherClasses(const at::Tensor& classes, int64_t j, int64_t times) {
  const at::Tensor others = at::arange(j, j + times, classes.options())
                                .repeat_interleave(classes.size(0));
  return classes.repeat({times}).le(others).to(at::kLong).add_(others);
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

// Puts `margin` of `other` where its boundary is nearer than `nearest` [M], or
// everywhere if there is none yet. Of equally near ones the first stays.
void KeepNearer(const Margin& other, Norm norm, Margin& margin,
                at::Tensor& nearest) {
  const at::Tensor distances = Distances(other, norm);
  if (!nearest.defined()) {
    margin = other;
    nearest = distances;
    return;
  }
  const at::Tensor nearer = distances.lt(nearest);
  nearest = at::where(nearer, distances, nearest);
  // The logits are the same for all classes, as the images are.
  margin.values = at::where(nearer, other.values, margin.values);
  margin.gradient =
      at::where(PerPixel(nearer), other.gradient, margin.gradient);
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
  return FindMargin(model, images, rows, labels, OtherClasses(labels, 0, 1));
}

absl::Status MarginAttack::FindNearestMargin(AttackedModel& model,
                                             const AttackBatch& batch,
                                             const at::Tensor& images,
                                             const at::Tensor& rows, Norm norm,
                                             bool within_box, Margin& margin) {
  at::Tensor nearest;
  const auto keep = [&](Margin other) {
    if (within_box) other.gradient = WithinBox(other.gradient, images);
    KeepNearer(other, norm, margin, nearest);
  };
  int64_t j = 0;  // the other class that comes next
  if (margin.values.defined()) {
    keep(margin);
    j = 1;
  }
  // Towards a target there is one boundary, which is found already.
  if (model.targeted()) return absl::OkStatus();
  const at::Tensor labels = batch.labels.index_select(0, rows);
  const int64_t count = rows.size(0);
  const int64_t others = model.classes() - 1;
  while (j < others) {
    const int64_t times = std::min(model.PassesInOne(count), others - j);
    const absl::StatusOr<Margin> found =
        FindMargin(model, RepeatRows(images, times), rows.repeat({times}),
                   labels.repeat({times}), OtherClasses(labels, j, times));
    if (!found.ok()) return found.status();
    for (int64_t first = 0; first < times * count; first += count) {
      keep({found->logits.narrow(0, first, count),
            found->values.narrow(0, first, count),
            found->gradient.narrow(0, first, count)});
    }
    j += times;
  }
  return absl::OkStatus();
}

}  // namespace adv
