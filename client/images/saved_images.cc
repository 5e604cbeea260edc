#include "client/images/saved_images.h"

#include <cstdint>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "client/attacks/attack_parameters.h"
#include "client/attacks/epsilon.h"
#include "client/attacks/goal.h"
#include "client/attacks/norm.h"
#include "client/images/image_file.h"
#include "client/images/safetensors_writer.h"
#include "client/printers/json.h"
#include "client/printers/numbers.h"
#include "client/printers/visible.h"

namespace adv {
namespace {

// The server broke the protocol, so the user can do nothing about it.
absl::Status Odd(const std::string& what) {
  return absl::InternalError(absl::StrCat("the server answered with ", what));
}

// Appends the images of `part` to `whole`. It is an error if they are not
// `count` images, or if they differ from the earlier ones in type, layout or
// shape.
absl::Status Append(const v1::ImageBatch& part, std::int64_t count,
                    v1::ImageBatch* whole) {
  if (part.shape_size() != 4 || part.shape(0) != count) {
    return Odd("another number of images");
  }
  // The first answer sets type, layout and shape.
  if (whole->shape_size() == 0) {
    *whole = part;
    return absl::OkStatus();
  }
  bool alike = part.data_type() == whole->data_type() &&
               part.layout() == whole->layout();
  // Side 0 is the number of images, which may differ from answer to answer.
  for (int i = 1; i < 4; ++i) alike &= part.shape(i) == whole->shape(i);
  if (!alike) return Odd("images of another shape than before");
  whole->set_shape(0, whole->shape(0) + count);
  whole->mutable_data()->append(part.data());
  return absl::OkStatus();
}

Tensor ImageTensor(const std::string& name, const v1::ImageBatch& images) {
  const bool bytes = images.data_type() == v1::DATA_TYPE_UINT8;
  return {name,
          bytes ? "U8" : "F32",
          {images.shape().begin(), images.shape().end()},
          images.data()};
}

Tensor NumberTensor(const std::string& name,
                    const std::vector<std::int64_t>& values) {
  return {name,
          "I64",
          {static_cast<std::int64_t>(values.size())},
          Int64Bytes(values)};
}

// A reader of the file cannot tell the layout from every shape, so it is named.
std::string LayoutName(const v1::ImageBatch& images) {
  return images.layout() == v1::IMAGE_LAYOUT_NHWC ? "NHWC" : "NCHW";
}

// The text as part of a file's name. A slash in it would name a folder.
std::string FileText(const std::string& text) {
  return absl::StrReplaceAll(Visible(text), {{"/", "_"}, {" ", "_"}});
}

// What the images came from. The format allows text alone, so numbers and lists
// are written as text.
std::map<std::string, std::string> Metadata(const v1::Evaluation& evaluation,
                                            const v1::AttackResult& result,
                                            const v1::ImageBatch& images) {
  const v1::EvaluationReport& report = evaluation.report();
  const v1::ResolvedSpec& resolved = report.resolved();
  const v1::EvaluationSpec& spec = resolved.spec();
  nlohmann::json classes(report.class_names());
  return {{"evaluation", evaluation.id()},
          {"model", ModelText(resolved.model())},
          {"model_digest", resolved.model().digest()},
          {"source_model", ModelText(resolved.source_model())},
          {"source_model_digest", resolved.source_model().digest()},
          {"dataset", spec.dataset()},
          {"dataset_sha256", resolved.dataset_sha256()},
          {"attack", ToJson(result.attack()).dump()},
          {"epsilon_pixels", ExactText(Pixels(result.epsilon()))},
          {"norm", NormName(spec.norm())},
          {"goal", GoalName(spec.goal(), report.class_names())},
          {"seed", absl::StrCat(spec.seed())},
          {"eight_bit", spec.eight_bit() ? "true" : "false"},
          {"precision",
           spec.precision() == v1::PRECISION_FAST ? "fast" : "float32"},
          {"layout", LayoutName(images)},
          {"class_names", classes.dump()}};
}

}  // namespace

SavedImages::SavedImages(const v1::Evaluation& evaluation,
                         const Records& records, int result)
    : evaluation_(evaluation), records_(records), result_(result) {}

std::string SavedImages::FolderName() const {
  const v1::AttackResult& result = evaluation_.report().results(result_);
  return FileText(absl::StrCat(
      ModelText(evaluation_.report().resolved().model()), "-",
      AttackName(result.attack()), "-", EpsilonText(result.epsilon())));
}

v1::GenerateAdversarialRequest SavedImages::Request(std::size_t begin,
                                                    std::size_t end) const {
  const v1::ResolvedSpec& resolved = evaluation_.report().resolved();
  const v1::EvaluationSpec& spec = resolved.spec();
  v1::GenerateAdversarialRequest request;
  request.set_model(spec.model());
  // Without a source model the server takes the gradients from the model
  // itself.
  if (resolved.source_model().digest() != resolved.model().digest()) {
    request.set_source_model(spec.source_model());
  }
  // The attack is taken from the specification, where parameters that follow
  // from epsilon are not set, so that they follow in the same way again.
  // Results stand attack by attack, each with all epsilons.
  *request.mutable_attack() = spec.attacks(result_ / spec.epsilons_size());
  *request.mutable_epsilon() = spec.epsilons(result_ % spec.epsilons_size());
  request.set_norm(spec.norm());
  *request.mutable_goal() = spec.goal();
  request.set_success(spec.success());
  request.set_eight_bit(spec.eight_bit());
  request.set_precision(spec.precision());
  request.set_seed(spec.seed());
  request.mutable_dataset_images()->set_dataset(spec.dataset());
  // A fixed class is asked for image by image, as the records have it.
  v1::TargetedGoal* fixed = nullptr;
  if (spec.goal().has_targeted() &&
      spec.goal().targeted().rule() == v1::TARGET_RULE_FIXED) {
    fixed = request.mutable_goal()->mutable_targeted();
    fixed->Clear();
    fixed->set_rule(v1::TARGET_RULE_PER_IMAGE);
  }
  for (std::size_t i = begin; i < end; ++i) {
    request.mutable_dataset_images()->add_indices(records_[i].index());
    if (fixed != nullptr) {
      fixed->add_target_classes(records_[i].attacks(result_).target());
    }
  }
  return request;
}

absl::Status SavedImages::Check(
    const v1::GenerateAdversarialResponse& response) const {
  // Answers come in the order of the records, so `added_` is the next record.
  if (added_ + response.results_size() > records_.size()) {
    return Odd("too many images");
  }
  for (int i = 0; i < response.results_size(); ++i) {
    const v1::EvaluationRecord& record = records_[added_ + i];
    const v1::AttackRecord& was = record.attacks(result_);
    const v1::AttackRecord& is = response.results(i).record();
    const auto differs = [&](const char* what, const std::string& before,
                             const std::string& now) {
      return absl::InternalError(absl::StrCat(
          "image ", record.index(), " came out otherwise than in the ",
          "evaluation: ", what, " was ", before, " and is ", now));
    };
    if (is.prediction() != was.prediction()) {
      return differs("prediction", absl::StrCat(was.prediction()),
                     absl::StrCat(is.prediction()));
    }
    if (is.success() != was.success()) {
      return differs("success", was.success() ? "true" : "false",
                     is.success() ? "true" : "false");
    }
    // The same settings give the same bits, so no tolerance is needed.
    if (is.linf() != was.linf()) {
      return differs("linf", ExactText(was.linf()), ExactText(is.linf()));
    }
  }
  return absl::OkStatus();
}

absl::Status SavedImages::Add(const v1::GenerateAdversarialResponse& response) {
  // Images that differ from the records are an error before any of them is
  // kept.
  auto status = Check(response);
  const int count = response.results_size();
  if (status.ok()) status = Append(response.images(), count, &images_);
  if (status.ok()) status = Append(response.originals(), count, &originals_);
  if (status.ok()) added_ += count;
  return status;
}

// The index comes first in a name, with five digits, so that files sort by it.
absl::Status SavedImages::WritePngs(const std::string& folder) const {
  const auto& names = evaluation_.report().class_names();
  const auto name = [&](int label) {
    return label >= 0 && label < names.size() ? FileText(names[label])
                                              : absl::StrCat(label);
  };
  for (std::size_t i = 0; i < records_.size(); ++i) {
    const auto image = FromBatch(images_, static_cast<std::int64_t>(i));
    if (!image.ok()) return image.status();
    absl::Status status = WritePng(
        absl::StrFormat("%s/%05d-%s-%s.png", folder, records_[i].index(),
                        name(records_[i].label()),
                        name(records_[i].attacks(result_).prediction())),
        *image);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status SavedImages::Write(const std::string& folder) const {
  if (images_.data_type() == v1::DATA_TYPE_UINT8) {
    absl::Status status = WritePngs(folder);
    if (!status.ok()) return status;
  }
  std::vector<std::int64_t> indices, labels, predictions;
  for (const v1::EvaluationRecord& record : records_) {
    indices.push_back(record.index());
    labels.push_back(record.label());
    predictions.push_back(record.attacks(result_).prediction());
  }
  // The widest types first: then each tensor begins at a multiple of its size.
  return WriteSafetensors(
      folder + "/images.safetensors",
      {NumberTensor("indices", indices), NumberTensor("labels", labels),
       NumberTensor("predictions", predictions), ImageTensor("images", images_),
       ImageTensor("originals", originals_)},
      Metadata(evaluation_, evaluation_.report().results(result_), images_));
}

}  // namespace adv
