#include "engine/attacks/check.h"

#include <ATen/ATen.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <vector>

#include "engine/attacks/ball.h"

namespace adv {
namespace {

std::string ShapeText(at::IntArrayRef shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

absl::Status CheckShapes(const Network& target, const AttackBatch& batch) {
  const std::vector<int64_t> image = target.traits().image_shape;
  if (!batch.images.defined() || batch.images.dim() != 4 ||
      batch.images.sizes().slice(1) != at::IntArrayRef(image)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "images: shape ",
        batch.images.defined() ? ShapeText(batch.images.sizes()) : "[]",
        " where the model takes [N, ", absl::StrJoin(image, ", "), "]"));
  }
  if (batch.images.size(0) == 0) {
    return absl::InvalidArgumentError("images: the batch is empty");
  }
  if (batch.images.scalar_type() != at::kFloat) {
    return absl::InvalidArgumentError("images: float32 is needed");
  }
  return absl::OkStatus();
}

absl::Status CheckSource(const Network& target, const Network& source) {
  if (source.traits().image_shape != target.traits().image_shape) {
    return absl::InvalidArgumentError(absl::StrCat(
        "source_model: takes images ", ShapeText(source.traits().image_shape),
        " where the model takes ", ShapeText(target.traits().image_shape)));
  }
  if (source.traits().classes != target.traits().classes) {
    return absl::InvalidArgumentError(
        absl::StrCat("source_model: has ", source.traits().classes,
                     " classes where the model has ", target.traits().classes));
  }
  return absl::OkStatus();
}

absl::Status CheckClasses(const at::Tensor& values, const char* field,
                          int64_t count, int64_t classes) {
  if (!values.defined() || values.dim() != 1 || values.size(0) != count ||
      values.scalar_type() != at::kLong) {
    return absl::InvalidArgumentError(absl::StrCat(
        field, ": one int64 for each of the ", count, " images is needed"));
  }
  const at::Tensor wrong =
      values.lt(0).logical_or_(values.ge(classes)).nonzero();
  if (wrong.numel() == 0) return absl::OkStatus();
  const int64_t image = wrong[0].item<int64_t>();
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": ", values[image].item<int64_t>(), " of image ",
                   image, " is outside [0, ", classes - 1, "]"));
}

absl::Status CheckTargets(const AttackBatch& batch, int64_t classes) {
  if (!batch.targets.defined()) return absl::OkStatus();
  absl::Status status =
      CheckClasses(batch.targets, "targets", batch.images.size(0), classes);
  if (!status.ok()) return status;
  // The caller's tensors may be on several devices.
  const at::Tensor same =
      batch.targets.eq(batch.labels.to(batch.targets.device())).nonzero();
  if (same.numel() == 0) return absl::OkStatus();
  const int64_t image = same[0].item<int64_t>();
  return absl::InvalidArgumentError(
      absl::StrCat("targets: ", batch.targets[image].item<int64_t>(),
                   " of image ", image, " is its label"));
}

absl::Status CheckCleanLogits(const at::Tensor& logits, int64_t count,
                              int64_t classes) {
  if (!logits.defined()) return absl::OkStatus();
  if (logits.sizes() != at::IntArrayRef({count, classes})) {
    return absl::InvalidArgumentError(
        absl::StrCat("clean_logits: shape ", ShapeText(logits.sizes()),
                     " where [", count, ", ", classes, "] is needed"));
  }
  // A logit that is not finite is the model's fault and not the caller's, hence
  // INTERNAL.
  if (!logits.isfinite().all().item<bool>()) {
    return absl::InternalError("the model gave a logit that is not finite");
  }
  return absl::OkStatus();
}

absl::Status CheckPixels(const at::Tensor& images, const char* field,
                         bool on_lattice) {
  // Asks for "inside" because NaN fails both comparisons and so counts as
  // outside.
  const at::Tensor inside = images.ge(0).logical_and_(images.le(1));
  if (!inside.all().item<bool>()) {
    const at::Tensor where = inside.logical_not().nonzero()[0];
    const int64_t image = where[0].item<int64_t>();
    return absl::InvalidArgumentError(absl::StrCat(
        field, ": a pixel of image ", image, " is ",
        images.masked_select(inside.logical_not())[0].item<double>(),
        ", outside [0, 1]"));
  }
  // In levels. Bytes that became float32 are off the lattice by rounding.
  constexpr double kOffLattice = 1e-3;
  if (on_lattice &&
      (images * 255 - ToBytes(images)).abs().max().item<double>() >
          kOffLattice) {
    return absl::InvalidArgumentError(
        "eight_bit: a pixel of the originals is not a multiple of 1/255");
  }
  return absl::OkStatus();
}

absl::Status CheckExamples(const AttackBatch& batch, int64_t classes) {
  const at::Tensor& examples = batch.examples;
  if (!examples.defined()) return absl::OkStatus();
  if (examples.dim() != 4 || examples.scalar_type() != at::kFloat ||
      examples.sizes().slice(1) != batch.images.sizes().slice(1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("examples: shape ", ShapeText(examples.sizes()),
                     " where float32 images of the shape ",
                     ShapeText(batch.images.sizes().slice(1)), " are needed"));
  }
  absl::Status status = CheckClasses(batch.example_classes, "example_classes",
                                     examples.size(0), classes);
  if (!status.ok() || examples.size(0) == 0) return status;
  return CheckPixels(examples, "examples", /*on_lattice=*/false);
}

}  // namespace

absl::Status CheckBatch(const Network& target, const Network& source,
                        const AttackBatch& batch, bool on_lattice) {
  const int64_t classes = target.traits().classes;
  if (absl::Status status = CheckSource(target, source); !status.ok()) {
    return status;
  }
  // The shapes come before all checks that count images.
  if (absl::Status status = CheckShapes(target, batch); !status.ok()) {
    return status;
  }
  const int64_t count = batch.images.size(0);
  absl::Status status = CheckClasses(batch.labels, "labels", count, classes);
  if (!status.ok()) return status;
  // Targets are compared with labels, which are valid by now.
  if (status = CheckTargets(batch, classes); !status.ok()) return status;
  if (status = CheckCleanLogits(batch.clean_logits, count, classes);
      !status.ok()) {
    return status;
  }
  if (status = CheckExamples(batch, classes); !status.ok()) return status;
  return CheckPixels(batch.images, "images", on_lattice);
}

}  // namespace adv
