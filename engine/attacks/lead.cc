#include "engine/attacks/lead.h"

#include <ATen/ATen.h>

#include <limits>
#include <utility>

#include "engine/attacks/layout.h"
#include "engine/attacks/pass.h"

namespace adv {
namespace {

// A finite stand-in for minus infinity would win over small enough logits.
at::Tensor LargestBut(const at::Tensor& logits, const at::Tensor& classes) {
  return logits
      .scatter(1, classes.unsqueeze(1),
               -std::numeric_limits<double>::infinity())
      .argmax(1);
}

// The j-th of the classes that are not `classes`.
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

// Through the clip: a pixel at the edge of the box has no say in which way it
// cannot go. Else each step would count on it and fall short.
at::Tensor WithinBox(const at::Tensor& gradient, const at::Tensor& images) {
  const at::Tensor stopped =
      gradient.gt(0)
          .logical_and(images.ge(1))
          .logical_or(gradient.lt(0).logical_and(images.le(0)));
  return gradient.masked_fill(stopped, 0);
}

// [M] double: to the boundary, if it is a plane; infinite where nothing leads.
at::Tensor Distances(const Lead& lead, Norm norm) {
  const at::Tensor slope = DualSizes(lead.gradient, norm);
  return lead.values.abs().div(slope).masked_fill_(
      slope.eq(0), std::numeric_limits<double>::infinity());
}

}  // namespace

at::Tensor DualSizes(const at::Tensor& gradient, Norm norm) {
  const at::Tensor values = ValuesOf(gradient).to(at::kDouble);
  return norm == Norm::kLinf ? values.abs().sum(1)
                             : values.square().sum(1).sqrt();
}

absl::StatusOr<Lead> LeadAttack::FindLead(Pass& pass, const at::Tensor& images,
                                          const at::Tensor& rows,
                                          const at::Tensor& from,
                                          const at::Tensor& to) {
  absl::StatusOr<LogitsAndGradient> found =
      pass.Gradient(images, rows, [&](const at::Tensor& logits) {
        const Classes classes = Resolve(logits, from, to);
        return at::zeros_like(logits)
            .scatter_(1, classes.to.unsqueeze(1), 1)
            .scatter_(1, classes.from.unsqueeze(1), -1);
      });
  if (!found.ok()) return found.status();
  const Classes classes = Resolve(found->logits, from, to);
  at::Tensor values =
      At(found->logits, classes.to) - At(found->logits, classes.from);
  return Lead{std::move(found->logits), std::move(values),
              std::move(found->gradient)};
}

absl::StatusOr<Lead> LeadAttack::FindGoalLead(Pass& pass,
                                              const AttackBatch& batch,
                                              const at::Tensor& images,
                                              const at::Tensor& rows) {
  if (pass.targeted()) {
    return FindLead(pass, images, rows, {},
                    batch.targets.index_select(0, rows));
  }
  return FindLead(pass, images, rows, batch.labels.index_select(0, rows), {});
}

absl::StatusOr<Lead> LeadAttack::FindFirstLead(Pass& pass,
                                               const AttackBatch& batch,
                                               const at::Tensor& images,
                                               const at::Tensor& rows) {
  if (pass.targeted()) return FindGoalLead(pass, batch, images, rows);
  const at::Tensor labels = batch.labels.index_select(0, rows);
  return FindLead(pass, images, rows, labels, OtherClass(labels, 0));
}

absl::Status LeadAttack::FindNearestLead(Pass& pass, const AttackBatch& batch,
                                         const at::Tensor& images,
                                         const at::Tensor& rows, Norm norm,
                                         bool within_box, Lead& lead) {
  if (within_box) lead.gradient = WithinBox(lead.gradient, images);
  if (pass.targeted()) return absl::OkStatus();
  const at::Tensor labels = batch.labels.index_select(0, rows);
  at::Tensor nearest = Distances(lead, norm);
  for (int64_t j = 1; j < lead.logits.size(1) - 1; ++j) {
    absl::StatusOr<Lead> other =
        FindLead(pass, images, rows, labels, OtherClass(labels, j));
    if (!other.ok()) return other.status();
    if (within_box) other->gradient = WithinBox(other->gradient, images);
    const at::Tensor distances = Distances(*other, norm);
    const at::Tensor nearer = distances.lt(nearest);
    nearest = at::where(nearer, distances, nearest);
    lead.values = at::where(nearer, other->values, lead.values);
    lead.gradient = at::where(PerPixel(nearer), other->gradient, lead.gradient);
  }
  return absl::OkStatus();
}

}  // namespace adv
