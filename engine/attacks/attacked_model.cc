#include "engine/attacks/attacked_model.h"

#include <ATen/ATen.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "engine/attacks/layout.h"
#include "engine/nn/loss.h"

namespace adv {
namespace {

absl::Status CheckFinite(const at::Tensor& values, const char* what) {
  if (values.isfinite().all().item<bool>()) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("the model gave a ", what, " that is not finite"));
}

}  // namespace

AttackedModel::AttackedModel(const Network& network, bool transfer,
                             const AttackBatch& batch,
                             const std::function<absl::Status()>& before_pass)
    : AttackedModel(network, transfer, batch, before_pass,
                    batch.images.size(0)) {}

AttackedModel::AttackedModel(const Network& network, bool transfer,
                             const AttackBatch& batch,
                             const std::function<absl::Status()>& before_pass,
                             int64_t padded_size)
    : network_(network),
      transfer_(transfer),
      before_pass_(before_pass),
      originals_(batch.images),
      padded_size_(padded_size),
      pads_(network.traits().padded()),
      targeted_(batch.targets.defined()),
      labels_(batch.labels),
      classes_(targeted_ ? batch.targets : batch.labels),
      clean_logits_(batch.clean_logits) {
  ResetCosts();
}

int64_t AttackedModel::slots() const {
  constexpr int64_t kFewest = 32;
  // Where passes are padded, no larger one is possible.
  return pads_ ? padded_size_ : std::max(padded_size_, kFewest);
}

int64_t AttackedModel::PassesInOne(int64_t count) const {
  return std::max<int64_t>(1, slots() / count);
}

AttackedModel::Objective AttackedModel::DefaultObjective(
    const at::Tensor& rows) const {
  const at::Tensor classes = classes_.index_select(0, rows);
  // A targeted attack descends, and minus its loss is what it makes larger.
  return [classes, targeted = targeted_](const at::Tensor& logits) {
    const at::Tensor gradient = AttackLossGradient(logits, classes);
    return targeted ? gradient.neg() : gradient;
  };
}

at::Tensor AttackedModel::ObjectiveValue(const at::Tensor& logits,
                                         const at::Tensor& rows) const {
  const at::Tensor loss = AttackLoss(logits, classes_.index_select(0, rows));
  return targeted_ ? loss.neg() : loss;
}

absl::StatusOr<LogitsAndGradient> AttackedModel::Gradient(
    const at::Tensor& images, const at::Tensor& rows,
    const Objective& objective) {
  absl::StatusOr<Checked> model = UncountedGradient(images, objective);
  if (!model.ok()) return model.status();
  // Only marks are written, so that one gradient of an image does not take back
  // what another of the same pass marked.
  zero_gradient_.index_fill_(0, rows.masked_select(model->zero), true);
  gradients_.index_add_(0, rows, at::ones_like(rows));
  return std::move(model->found);
}

absl::StatusOr<LogitsAndGradient> AttackedModel::CleanGradient(
    const Objective& objective) {
  if (!clean_gradient_.zero.defined()) {
    absl::StatusOr<Checked> model = UncountedGradient(originals_, objective);
    if (!model.ok()) return model.status();
    clean_gradient_ = *std::move(model);
    gradients_.add_(1);
    // A pass has logits, too, and these spare the forward for the clean ones.
    if (!transfer() && !clean_logits_.defined()) {
      clean_logits_ = clean_gradient_.found.logits;
    }
  }
  // At each call, as each epsilon has marks of its own.
  zero_gradient_.logical_or_(clean_gradient_.zero);
  return clean_gradient_.found;
}

absl::StatusOr<at::Tensor> AttackedModel::Scores(const at::Tensor& images,
                                                 const at::Tensor& rows) {
  absl::StatusOr<at::Tensor> logits = UncountedLogits(images);
  if (logits.ok()) forwards_.index_add_(0, rows, at::ones_like(rows));
  return logits;
}

absl::StatusOr<at::Tensor> AttackedModel::Logits(const at::Tensor& images,
                                                 const at::Tensor& rows) {
  if (!transfer_) return Scores(images, rows);
  forwards_.index_add_(0, rows, at::ones_like(rows));
  const at::Tensor classes = classes_.index_select(0, rows);
  return MadeUpLogits(targeted_ ? classes
                                : (classes + 1).remainder(this->classes()));
}

absl::StatusOr<at::Tensor> AttackedModel::CleanLogits() {
  if (!clean_logits_.defined()) {
    absl::StatusOr<at::Tensor> logits =
        transfer_ ? MadeUpLogits(labels_) : UncountedLogits(originals_);
    if (!logits.ok()) return logits;
    clean_logits_ = *std::move(logits);
  }
  return clean_logits_;
}

absl::StatusOr<at::Tensor> AttackedModel::CleanScores() {
  if (!transfer()) return CleanLogits();
  if (!clean_scores_.defined()) {
    // The attack alone needs these, so they are counted.
    absl::StatusOr<at::Tensor> logits =
        Scores(originals_, at::arange(classes_.size(0), classes_.options()));
    if (!logits.ok()) return logits;
    clean_scores_ = *std::move(logits);
  }
  return clean_scores_;
}

at::Tensor AttackedModel::Fooled(const at::Tensor& logits,
                                 const at::Tensor& rows) const {
  const at::Tensor hit = logits.argmax(1).eq(classes_.index_select(0, rows));
  return targeted_ ? hit : hit.logical_not();
}

AttackedModel AttackedModel::Part(const AttackBatch& part) const {
  // The size of the whole run remains, so that passes of a part have the shape
  // of all others.
  return AttackedModel(network_, transfer_, part, before_pass_, padded_size_);
}

AttackedModel AttackedModel::Repeated(int64_t times) const {
  // The images need not repeat: only what is clean would read them.
  AttackBatch repeated;
  repeated.images = originals_;
  (targeted_ ? repeated.targets : repeated.labels) = classes_.repeat({times});
  return Part(repeated);
}

void AttackedModel::Charge(const AttackResult& spent, const at::Tensor& rows) {
  zero_gradient_.index_copy_(
      0, rows,
      zero_gradient_.index_select(0, rows).logical_or_(spent.zero_gradient));
  gradients_.index_add_(0, rows, spent.gradients);
  forwards_.index_add_(0, rows, spent.forwards);
}

void AttackedModel::ChargeTo(AttackResult& result) {
  result.zero_gradient = zero_gradient_;
  result.gradients = gradients_;
  result.forwards = forwards_;
  ResetCosts();
}

absl::StatusOr<AttackedModel::Checked> AttackedModel::UncountedGradient(
    const at::Tensor& images, const Objective& objective) {
  if (absl::Status status = BeforePass(); !status.ok()) return status;
  const int64_t count = images.size(0);
  // The objective knows nothing of the padding, which is cut off before it and
  // put back after it.
  absl::StatusOr<LogitsAndGradient> computed =
      network_.InputGradient(Pad(images), [&](const at::Tensor& logits) {
        return Pad(objective(logits.narrow(0, 0, count)));
      });
  if (!computed.ok()) return computed.status();
  LogitsAndGradient found = *std::move(computed);
  found.logits = found.logits.narrow(0, 0, count);
  found.gradient = found.gradient.narrow(0, 0, count);
  // NaN if there is one, so that one look finds both.
  const at::Tensor largest = found.gradient.abs().amax({1, 2, 3});
  if (absl::Status status = CheckFinite(found.logits, "logit"); !status.ok()) {
    return status;
  }
  if (absl::Status status = CheckFinite(largest, "gradient"); !status.ok()) {
    return status;
  }
  return Checked{std::move(found), largest.eq(0)};
}

absl::StatusOr<at::Tensor> AttackedModel::UncountedLogits(
    const at::Tensor& images) {
  if (absl::Status status = BeforePass(); !status.ok()) return status;
  const absl::StatusOr<at::Tensor> computed = network_.Logits(Pad(images));
  if (!computed.ok()) return computed.status();
  const at::Tensor logits = computed->narrow(0, 0, images.size(0));
  if (absl::Status status = CheckFinite(logits, "logit"); !status.ok()) {
    return status;
  }
  return logits;
}

at::Tensor AttackedModel::MadeUpLogits(const at::Tensor& classes) const {
  return at::zeros({classes.size(0), this->classes()},
                   originals_.options().memory_format(at::nullopt))
      .scatter_(1, classes.unsqueeze(1), 1);
}

absl::Status AttackedModel::BeforePass() const {
  return before_pass_ ? before_pass_() : absl::OkStatus();
}

at::Tensor AttackedModel::Pad(const at::Tensor& values) const {
  const int64_t missing = padded_size_ - values.size(0);
  if (missing == 0 || !pads_) return values;
  TORCH_CHECK(missing > 0, "more images than slots");
  // Not by expand, after which cat would leave the images' layout.
  // Any image would do: none influences the others.
  const at::Tensor first =
      at::zeros({missing}, at::device(values.device()).dtype(at::kLong));
  return at::cat({values, SelectRows(values, first)});
}

void AttackedModel::ResetCosts() {
  // New tensors, because the result that was charged last has the old ones.
  zero_gradient_ =
      at::zeros_like(classes_, classes_.options().dtype(at::kBool));
  gradients_ = at::zeros_like(classes_);
  forwards_ = at::zeros_like(classes_);
}

}  // namespace adv
