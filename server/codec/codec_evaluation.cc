#include "server/codec/codec_evaluation.h"

#include <ATen/ATen.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "engine/attacks/attack_traits.h"
#include "model_store/model_store.h"
#include "server/codec/codec_attack.h"
#include "server/models/class_match.h"

namespace adv {
namespace {

constexpr double kDefaultEpsilon = 8.0 / 255;
constexpr uint32_t kMaxTileSize = 1024;
// Grows whenever the same specification would give other records. It is part of
// the id, so that records of two versions never meet in one evaluation.
constexpr uint32_t kRecordVersion = 3;

int64_t ValuesPerImage(const Network& network) {
  int64_t values = 1;
  for (const int64_t size : network.traits().image_shape) values *= size;
  return values;
}

// Data set and source must have the model's image shape and classes. Their
// classes are brought into the model's order. What does not fit stays as it is.
void Fit(EvaluationInputs* inputs, FieldViolations* violations) {
  const NetworkTraits& traits = inputs->model->network->traits();
  const std::string shape = absl::StrCat(
      "{", absl::StrJoin(traits.image_shape, ", "), "} of ", traits.classes);
  if (inputs->dataset->images.sizes().slice(1) !=
          at::IntArrayRef(traits.image_shape) ||
      static_cast<int64_t>(inputs->dataset->class_names.size()) !=
          traits.classes) {
    violations->Add("spec.dataset",
                    absl::StrCat("has other images or classes than the model;",
                                 " must have images ", shape, " classes"));
  } else {
    auto dataset = WithClassesOf(*inputs->model, inputs->dataset);
    if (dataset.ok()) {
      inputs->dataset = *std::move(dataset);
    } else {
      violations->Add("spec.dataset", dataset.status().message());
    }
  }
  const NetworkTraits& source_traits = inputs->source_model->network->traits();
  if (source_traits.image_shape != traits.image_shape ||
      source_traits.classes != traits.classes) {
    violations->Add("spec.source_model",
                    absl::StrCat("must take images ", shape,
                                 " classes, as the model does"));
    return;
  }
  auto source = WithClassesOf(*inputs->model, inputs->source_model);
  if (source.ok()) {
    inputs->source_model = *std::move(source);
  } else {
    violations->Add("spec.source_model", source.status().message());
  }
}

// Fills plan->attacks. The default is the pair that the proto names.
void DecodeAttacks(const v1::EvaluationSpec& spec, const Limits& limits,
                   EvaluationPlan* plan, FieldViolations* violations) {
  if (static_cast<uint32_t>(spec.attacks_size()) > limits.attacks) {
    violations->Add("spec.attacks", absl::StrCat("has ", spec.attacks_size(),
                                                 " entries; must have at most ",
                                                 limits.attacks));
    return;
  }
  for (int i = 0; i < spec.attacks_size(); ++i) {
    plan->attacks.push_back(DecodeAttack(spec.attacks(i),
                                         absl::StrCat("spec.attacks[", i, "]"),
                                         limits, violations));
  }
  if (plan->attacks.empty()) plan->attacks = {FgsmConfig(), IgsmConfig()};
}

// Fills plan->epsilons. plan->norm must be set, because it decides their range.
void DecodeEpsilons(const v1::EvaluationSpec& spec, const Limits& limits,
                    int64_t values_per_image, EvaluationPlan* plan,
                    FieldViolations* violations) {
  if (static_cast<uint32_t>(spec.epsilons_size()) > limits.epsilons) {
    violations->Add(
        "spec.epsilons",
        absl::StrCat("has ", spec.epsilons_size(),
                     " entries; must have at most ", limits.epsilons));
    return;
  }
  for (int i = 0; i < spec.epsilons_size(); ++i) {
    plan->epsilons.push_back(
        DecodeEpsilon(spec.epsilons(i), absl::StrCat("spec.epsilons[", i, "]"),
                      plan->norm, values_per_image, violations));
  }
  if (plan->epsilons.empty()) plan->epsilons = {kDefaultEpsilon};
}

// The default is the number of images that fill the model's device.
void DecodeTileSize(const v1::EvaluationSpec& spec, int64_t by_default,
                    EvaluationPlan* plan, FieldViolations* violations) {
  if (spec.tile_size() > kMaxTileSize) {
    violations->Add("spec.tile_size",
                    absl::StrCat("is ", spec.tile_size(), "; must be 1 to ",
                                 kMaxTileSize, ", or 0 for ", by_default));
  }
  plan->tile_size = spec.tile_size() > 0 ? spec.tile_size() : by_default;
}

// The indices of the samples in the data set, in rising order. With a fixed
// target only images of other classes are drawn: an image of the target cannot
// be led there. `own_labels` [size] number the classes as the data set does, so
// that the same images are drawn for every model, whatever its order of
// classes.
std::vector<int64_t> ChooseSamples(const Dataset& dataset,
                                   const at::Tensor& own_labels,
                                   const Goal& goal, uint64_t count,
                                   uint64_t seed) {
  const bool fixed = goal.kind == Goal::Kind::kTargeted &&
                     goal.rule == Goal::TargetRule::kFixed;
  const at::Tensor candidates =
      fixed ? dataset.labels.ne(goal.target_class).nonzero().flatten()
            : at::arange(dataset.size(), at::kLong);
  // The count is any uint64, so it is compared before it becomes signed.
  const auto samples = static_cast<int64_t>(
      std::min(count, static_cast<uint64_t>(candidates.size(0))));
  // SampleIndices gives positions among the candidates. The loop turns them
  // into indices of the data set.
  std::vector<int64_t> chosen =
      SampleIndices(own_labels.index_select(0, candidates), samples, seed);
  for (int64_t& index : chosen) index = candidates[index].item<int64_t>();
  return chosen;
}

// Fills in the plan. The order matters: the norm depends on the attacks, the
// range of an epsilon on the norm, and default step counts on the epsilons.
EvaluationPlan DecodePlan(const v1::EvaluationSpec& spec,
                          const EvaluationInputs& inputs, const Limits& limits,
                          FieldViolations* violations) {
  const Network& network = *inputs.model->network;
  // What the attack can ask is the source's affair, so an error names the field
  // that chose it.
  const AttackSource source{
      inputs.source_model == inputs.model ? "spec.model" : "spec.source_model",
      inputs.source_model->network->traits().access};
  EvaluationPlan plan;
  DecodeAttacks(spec, limits, &plan, violations);
  // A source without gradients leaves only a part of the standard AutoAttack.
  // The other checks look at that part.
  for (AttackConfig& attack : plan.attacks) {
    attack = Within(source.access, attack);
  }
  plan.norm = DecodeNorm(spec.norm(), "spec.norm", plan.attacks, violations);
  DecodeEpsilons(spec, limits, ValuesPerImage(network), &plan, violations);
  for (size_t i = 0; i < plan.attacks.size(); ++i) {
    CheckSteps(plan.attacks[i], absl::StrCat("spec.attacks[", i, "]"),
               plan.epsilons, limits, violations);
    CheckAttack(plan.attacks[i], spec.goal().has_targeted(),
                network.traits().classes, source, "spec.goal", violations);
  }
  plan.goal = DecodeGoal(spec.goal(), "spec.goal", network.traits().classes,
                         violations);
  plan.success = DecodeSuccess(spec.success(), "spec.success",
                               inputs.source_model != inputs.model, violations);
  plan.precision =
      DecodePrecision(spec.precision(), "spec.precision", network,
                      inputs.source_model != inputs.model, violations);
  plan.eight_bit = spec.eight_bit();
  plan.seed = spec.seed();
  DecodeTileSize(spec, network.traits().good_batch, &plan, violations);
  if (plan.eight_bit) {
    CheckEightBit(plan.attacks, plan.norm, plan.epsilons, "spec.eight_bit",
                  violations);
  }
  return plan;
}

// Limits the records of the evaluation: each takes room on the disk, and all
// are in memory at once for the report.
void CheckRecords(size_t samples, const EvaluationPlan& plan,
                  const Limits& limits, FieldViolations* violations) {
  const uint64_t each = plan.attacks.size() * plan.epsilons.size();
  if (each * samples <= limits.evaluation_records) return;
  violations->Add(
      "spec.samples",
      absl::StrCat(samples, " samples times ", plan.attacks.size(),
                   " attacks times ", plan.epsilons.size(), " epsilons make ",
                   each * samples, " results; must be at most ",
                   limits.evaluation_records, ", here up to ",
                   limits.evaluation_records / each, " samples"));
}

// As the proto says: the SHA-256 of the indices, each as 8 bytes little-endian.
std::string DigestIndices(const std::vector<int64_t>& indices) {
  std::string bytes;
  bytes.reserve(indices.size() * 8);
  for (const int64_t index : indices) {
    for (int shift = 0; shift < 64; shift += 8) {
      bytes.push_back(static_cast<char>(static_cast<uint64_t>(index) >> shift));
    }
  }
  return Sha256Hex(bytes);
}

// The specification with every default written out. Requests that mean the same
// become equal here, and so they share one id.
v1::EvaluationSpec EncodeSpec(const ResolvedEvaluation& evaluation) {
  const EvaluationPlan& plan = evaluation.plan;
  v1::EvaluationSpec spec;
  spec.set_model(evaluation.model->full_name());
  spec.set_source_model(evaluation.source_model->full_name());
  spec.set_dataset(evaluation.dataset->name);
  // 0, which asks for all, and the full number become the same.
  spec.set_samples(evaluation.indices.size());
  spec.set_seed(plan.seed);
  for (const AttackConfig& attack : plan.attacks) {
    *spec.add_attacks() = EncodeAttack(attack, std::nullopt);
  }
  spec.set_norm(EncodeNorm(plan.norm));
  for (const double epsilon : plan.epsilons) {
    *spec.add_epsilons() = EncodeSize(epsilon);
  }
  *spec.mutable_goal() = EncodeGoal(plan.goal);
  spec.set_success(EncodeSuccess(plan.success));
  spec.set_eight_bit(plan.eight_bit);
  spec.set_precision(EncodePrecision(plan.precision));
  spec.set_tile_size(static_cast<uint32_t>(plan.tile_size));
  return spec;
}

}  // namespace

absl::StatusOr<ResolvedEvaluation> DecodeEvaluationSpec(
    const v1::EvaluationSpec& spec, EvaluationInputs inputs,
    const Limits& limits) {
  FieldViolations violations;
  // Taken before Fit brings the classes into the model's order.
  const at::Tensor own_labels = inputs.dataset->labels;
  Fit(&inputs, &violations);
  ResolvedEvaluation evaluation;
  evaluation.model = inputs.model;
  evaluation.source_model = inputs.source_model;
  evaluation.dataset = inputs.dataset;
  evaluation.plan = DecodePlan(spec, inputs, limits, &violations);
  evaluation.indices =
      ChooseSamples(*inputs.dataset, own_labels, evaluation.plan.goal,
                    spec.samples(), spec.seed());
  // Only a fixed target removes candidates.
  if (evaluation.indices.empty()) {
    violations.Add("spec.goal.targeted.target_class",
                   "is the label of every image of the data set; must leave "
                   "images of other classes");
  }
  CheckRecords(evaluation.indices.size(), evaluation.plan, limits, &violations);
  if (!violations.empty()) return violations.status();

  v1::ResolvedSpec& resolved = evaluation.resolved;
  *resolved.mutable_spec() = EncodeSpec(evaluation);
  *resolved.mutable_model() = inputs.model->reference();
  *resolved.mutable_source_model() = inputs.source_model->reference();
  resolved.set_dataset_sha256(inputs.dataset->digest);
  resolved.set_samples(evaluation.indices.size());
  resolved.set_record_version(kRecordVersion);
  resolved.set_sample_indices_sha256(DigestIndices(evaluation.indices));
  return evaluation;
}

}  // namespace adv
