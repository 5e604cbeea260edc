#include "server/codec/codec_requests.h"

#include <ATen/ATen.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "engine/attacks/attack_traits.h"
#include "engine/evaluation/warnings.h"
#include "server/codec/codec.h"
#include "server/codec/codec_attack.h"
#include "server/codec/codec_images.h"
#include "server/models/class_match.h"

namespace adv {
namespace {

// The `top_k` best classes of one image, best first. `logits` [classes] are a
// contiguous row of float32 on the CPU.
v1::Classification EncodeClassification(const ServedModel& model,
                                        const at::Tensor& logits, int64_t top_k,
                                        bool include_logits) {
  const auto* const begin = logits.data_ptr<float>();
  const auto classes = logits.numel();
  std::vector<int32_t> order(classes);
  std::iota(order.begin(), order.end(), 0);
  // Equal logits stay in the order of the classes, so that the answer is always
  // the same.
  std::partial_sort(order.begin(), order.begin() + top_k, order.end(),
                    [&](int32_t a, int32_t b) {
                      return begin[a] != begin[b] ? begin[a] > begin[b] : a < b;
                    });
  v1::Classification message;
  const at::Tensor probabilities = logits.to(at::kDouble).softmax(0);
  for (int64_t k = 0; k < top_k; ++k) {
    v1::ClassScore* score = message.add_top();
    score->set_label(order[k]);
    score->set_class_name(model.manifest.class_names(order[k]));
    score->set_probability(probabilities.data_ptr<double>()[order[k]]);
  }
  if (include_logits) {
    message.mutable_logits()->Assign(begin, begin + classes);
  }
  return message;
}

// Records the first image that has a pixel off the lattice of multiples of
// 1/255, by more than what float32 rounds.
void CheckLattice(const at::Tensor& images, absl::string_view field,
                  FieldViolations* violations) {
  if (!images.defined()) return;
  constexpr double kOff = 1e-3;  // of a level
  const at::Tensor levels = images.mul(255);
  // [N, values of an image], true where a value is off the lattice.
  const at::Tensor off = levels.sub(levels.round()).abs().gt(kOff).flatten(1);
  const at::Tensor wrong = off.any(1).nonzero();
  if (wrong.size(0) == 0) return;
  violations->Add(field,
                  absl::StrCat("image ", wrong[0].item<int64_t>(),
                               " has pixels that are no multiples of 1/255; ",
                               "with eight_bit all must be"));
}

// The source must have the model's image shape and classes. Its classes are
// brought into the model's order.
void FitSource(AdversarialTask* task, FieldViolations* violations) {
  const NetworkTraits& model = task->model->network->traits();
  const NetworkTraits& source = task->source_model->network->traits();
  if (source.image_shape != model.image_shape ||
      source.classes != model.classes) {
    violations->Add("source_model",
                    "takes other images or has other classes than the model; "
                    "must have the same");
    return;
  }
  auto fitting = WithClassesOf(*task->model, task->source_model);
  if (fitting.ok()) {
    task->source_model = *std::move(fitting);
  } else {
    violations->Add("source_model", fitting.status().message());
  }
}

// Fills in images, labels and samples from the data set, whose classes are
// first brought into the model's order. After a violation the images stay
// undefined.
void DecodeDatasetImages(const v1::DatasetImages& chosen, const Limits& limits,
                         AdversarialTask* task, FieldViolations* violations) {
  const Network& network = *task->model->network;
  const Dataset& whole = *task->dataset;
  if (whole.images.sizes().slice(1) !=
          at::IntArrayRef(network.traits().image_shape) ||
      static_cast<int64_t>(whole.class_names.size()) !=
          network.traits().classes) {
    violations->Add("dataset_images.dataset",
                    "has other images or classes than the model; must have the "
                    "same");
    return;
  }
  auto fitting = WithClassesOf(*task->model, task->dataset);
  if (!fitting.ok()) {
    violations->Add("dataset_images.dataset", fitting.status().message());
    return;
  }
  task->dataset = *std::move(fitting);
  const Dataset& dataset = *task->dataset;
  const auto count = static_cast<uint32_t>(chosen.indices_size());
  if (count < 1 || count > limits.images_per_request) {
    violations->Add("dataset_images.indices",
                    absl::StrCat("has ", count, " entries; must have 1 to ",
                                 limits.images_per_request));
    return;
  }
  const auto size = static_cast<uint64_t>(dataset.size());
  for (int i = 0; i < chosen.indices_size(); ++i) {
    // Only the first wrong index is recorded. An index out of range must not
    // reach Pixels.
    if (chosen.indices(i) < size) continue;
    violations->Add(
        absl::StrCat("dataset_images.indices[", i, "]"),
        absl::StrCat("is ", chosen.indices(i), "; must be 0 to ", size - 1));
    return;
  }
  const std::vector<int64_t> indices(chosen.indices().begin(),
                                     chosen.indices().end());
  task->images = dataset.Pixels(indices);
  task->labels = dataset.Labels(indices);
  task->samples = at::tensor(indices, at::kLong);
}

// Returns the number of images in the request, also if their bytes are wrong,
// so that the other fields can be checked against it. 0 if it is not known or
// out of range.
int64_t DecodeImagesOfTask(const v1::GenerateAdversarialRequest& request,
                           const Limits& limits, AdversarialTask* task,
                           FieldViolations* violations) {
  const Network& network = *task->model->network;
  int64_t count = 0;
  if (task->dataset != nullptr) {
    if (request.has_images()) {
      violations->Add("images", "must be absent with dataset_images");
    }
    DecodeDatasetImages(request.dataset_images(), limits, task, violations);
    count = request.dataset_images().indices_size();
  } else {
    task->images =
        DecodeImages(request.images(), "images", network.traits().image_shape,
                     limits, violations);
    // The batch size is the first number in either layout.
    if (request.images().shape_size() > 0) count = request.images().shape(0);
  }
  if (count < 1 || count > limits.images_per_request) return 0;
  // Labels and sample indices of the request replace those of a data set.
  if (request.labels_size() > 0) {
    task->labels = DecodeLabels(request.labels(), "labels", count,
                                network.traits().classes, violations);
  }
  if (request.sample_indices_size() > 0 &&
      request.sample_indices_size() != count) {
    violations->Add("sample_indices",
                    absl::StrCat("has ", request.sample_indices_size(),
                                 " entries; must have one for each of the ",
                                 count, " images"));
  } else if (request.sample_indices_size() > 0) {
    task->samples =
        at::tensor(std::vector<int64_t>(request.sample_indices().begin(),
                                        request.sample_indices().end()),
                   at::kLong);
    // Images of the caller's own are keyed by their positions in the request.
  } else if (!task->samples.defined()) {
    task->samples = at::arange(count, at::kLong);
  }
  return count;
}

// Decodes the fields one by one. The order matters: the norm depends on the
// attack and the range of epsilon on the norm.
void DecodeTask(const v1::GenerateAdversarialRequest& request,
                const Limits& limits, AdversarialTask* task,
                FieldViolations* violations) {
  const Network& network = *task->model->network;
  const std::vector<int64_t> shape = network.traits().image_shape;
  const int64_t classes = network.traits().classes;
  const int64_t count = DecodeImagesOfTask(request, limits, task, violations);
  task->attack = DecodeAttack(request.attack(), "attack", limits, violations);
  task->options.norm =
      DecodeNorm(request.norm(), "norm", {task->attack}, violations);
  const int64_t values = std::accumulate(shape.begin(), shape.end(), int64_t{1},
                                         std::multiplies<>());
  task->options.epsilons = {DecodeEpsilon(
      request.epsilon(), "epsilon", task->options.norm, values, violations)};
  CheckSteps(task->attack, "attack", task->options.epsilons, limits,
             violations);
  const AttackSource source{
      task->source_model == task->model ? "model" : "source_model",
      task->source_model->network->traits().access};
  // A source without gradients leaves only a part of the standard AutoAttack.
  task->attack = Within(source.access, task->attack);
  CheckAttack(task->attack, request.goal().has_targeted(), classes, source,
              "goal", violations);
  task->options.success =
      DecodeSuccess(request.success(), "success",
                    task->model != task->source_model, violations);
  task->options.precision =
      DecodePrecision(request.precision(), "precision", *task->model->network,
                      task->model != task->source_model, violations);
  task->target_field = "goal.targeted.target_class";
  if (!IsPerImage(request.goal())) {
    task->goal = DecodeGoal(request.goal(), "goal", classes, violations);
    return;
  }
  task->goal.kind = Goal::Kind::kTargeted;
  task->target_field = "goal.targeted.target_classes";
  if (count > 0) {
    task->targets =
        DecodeTargets(request.goal(), "goal", count, classes, violations);
  }
}

// Checks fields against each other, after all of them are decoded.
void CheckTask(const v1::GenerateAdversarialRequest& request,
               AdversarialTask* task, FieldViolations* violations) {
  FitSource(task, violations);
  if (task->goal.kind == Goal::Kind::kTargeted && task->labels.defined()) {
    // Targets that a rule finds are never the label. Without labels, Perturb
    // checks the targets once it has the model's predictions.
    const bool fixed = !IsPerImage(request.goal()) &&
                       task->goal.rule == Goal::TargetRule::kFixed;
    CheckTargets(fixed ? at::full_like(task->labels, task->goal.target_class)
                       : task->targets,
                 task->labels, task->target_field, violations);
  }
  task->options.eight_bit = request.eight_bit();
  if (!request.eight_bit()) return;
  CheckLattice(
      task->images,
      task->dataset != nullptr ? "dataset_images.indices" : "images.data",
      violations);
  CheckEightBit({task->attack}, task->options.norm, task->options.epsilons,
                "eight_bit", violations);
}

absl::StatusOr<int64_t> PageSize(uint32_t asked, uint32_t most,
                                 uint32_t by_default) {
  if (asked == 0) return by_default;
  if (asked <= most) return asked;
  FieldViolations violations;
  violations.Add("page_size", absl::StrCat("is ", asked, "; must be 1 to ",
                                           most, ", or 0 for ", by_default));
  return violations.status();
}

}  // namespace

absl::StatusOr<ClassifyTask> DecodeClassify(
    const v1::ClassifyRequest& request,
    std::shared_ptr<const ServedModel> model, const Limits& limits) {
  FieldViolations violations;
  ClassifyTask task;
  task.images =
      DecodeImages(request.images(), "images",
                   model->network->traits().image_shape, limits, &violations);
  const int64_t classes = model->network->traits().classes;
  if (request.top_k() > classes) {
    violations.Add("top_k",
                   absl::StrCat("is ", request.top_k(), "; must be 1 to ",
                                classes, ", or 0 for all classes"));
  }
  if (!violations.empty()) return violations.status();
  task.top_k = request.top_k() == 0 ? classes : request.top_k();
  task.include_logits = request.include_logits();
  task.model = std::move(model);
  return task;
}

void EncodeClassify(const ClassifyTask& task, const at::Tensor& logits,
                    v1::ClassifyResponse* response) {
  *response->mutable_model() = task.model->reference();
  for (int64_t i = 0; i < logits.size(0); ++i) {
    *response->add_results() = EncodeClassification(
        *task.model, logits[i], task.top_k, task.include_logits);
  }
}

absl::StatusOr<AdversarialTask> DecodeGenerate(
    const v1::GenerateAdversarialRequest& request,
    std::shared_ptr<const ServedModel> model,
    std::shared_ptr<const ServedModel> source_model,
    const std::shared_ptr<const Dataset>& dataset, const Limits& limits) {
  FieldViolations violations;
  AdversarialTask task;
  task.model = std::move(model);
  task.source_model = std::move(source_model);
  task.dataset = dataset;
  task.options.seed = request.seed();
  DecodeTask(request, limits, &task, &violations);
  CheckTask(request, &task, &violations);
  if (!violations.empty()) return violations.status();
  return task;
}

void EncodeGenerate(const v1::GenerateAdversarialRequest& request,
                    const AdversarialTask& task,
                    const AdversarialImages& images,
                    v1::GenerateAdversarialResponse* response) {
  const int64_t classes = task.model->network->traits().classes;
  *response->mutable_model() = task.model->reference();
  *response->mutable_source_model() = task.source_model->reference();
  // Bytes hold only images on the lattice, which eight_bit alone promises. A
  // caller that sent floats gets floats back.
  const bool bytes = request.eight_bit() &&
                     (task.dataset != nullptr ||
                      request.images().data_type() == v1::DATA_TYPE_UINT8);
  // A request for images of a data set names no layout.
  const v1::ImageLayout layout = task.dataset != nullptr
                                     ? v1::IMAGE_LAYOUT_NCHW
                                     : request.images().layout();
  if (task.dataset != nullptr) {
    // Bytes would round the pixels of a data set of floats.
    const bool of_bytes = task.dataset->images.scalar_type() == at::kByte;
    EncodeImages(task.images, layout,
                 of_bytes ? v1::DATA_TYPE_UINT8 : v1::DATA_TYPE_FLOAT32,
                 response->mutable_originals());
  }
  EncodeImages(images.images, layout,
               bytes ? v1::DATA_TYPE_UINT8 : v1::DATA_TYPE_FLOAT32,
               response->mutable_images());
  for (size_t i = 0; i < images.records.size(); ++i) {
    const auto row = static_cast<int64_t>(i);
    v1::AdversarialResult* result = response->add_results();
    result->set_label(static_cast<int32_t>(images.labels[row].item<int64_t>()));
    *result->mutable_clean() = EncodeClassification(
        *task.model, images.clean_logits[row], classes, true);
    *result->mutable_adversarial() =
        EncodeClassification(*task.model, images.logits[row], classes, true);
    *result->mutable_record() = EncodeAttackRecord(images.records[i]);
  }
  *response->mutable_attack() =
      EncodeAttack(task.attack, task.options.epsilons.front());
  // The settings that SettingWarnings reads, as a plan of one attack.
  EvaluationPlan plan;
  plan.attacks = {task.attack};
  plan.norm = task.options.norm;
  plan.epsilons = task.options.epsilons;
  plan.eight_bit = task.options.eight_bit;
  plan.precision = task.options.precision;
  if (task.goal.kind == Goal::Kind::kTargeted && task.dataset == nullptr &&
      TraitsOf(task.attack).starts_at_examples) {
    response->add_warnings(absl::StrCat(
        AttackName(task.attack),
        " has noise alone to start from on the way to a target, which seldom "
        "is of its class; images of a data set (dataset_images) have others of "
        "the class beside them"));
  }
  for (std::string& warning : SettingWarnings(plan)) {
    response->add_warnings(std::move(warning));
  }
}

absl::StatusOr<int64_t> DecodePageSize(
    const v1::ListEvaluationsRequest& request) {
  return PageSize(request.page_size(), 1000, 100);
}

absl::StatusOr<int64_t> DecodePageSize(
    const v1::ListEvaluationRecordsRequest& request) {
  return PageSize(request.page_size(), 10000, 1000);
}

}  // namespace adv
