#include "engine/evaluation/evaluation.h"

#include <ATen/ATen.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>

#include "engine/attacks/violations.h"
#include "engine/evaluation/measure.h"

namespace adv {
namespace {

constexpr int64_t kMaxTileSize = 1024;

RunOptions MakeRunOptions(const EvaluationPlan& plan) {
  RunOptions options;
  options.norm = plan.norm;
  options.epsilons = plan.epsilons;
  options.success = plan.success;
  options.eight_bit = plan.eight_bit;
  options.seed = plan.seed;
  return options;
}

// The images must be the network's, and their labels among its classes.
absl::Status CheckImages(const Network& network, const Dataset& dataset,
                         const std::vector<int64_t>& indices) {
  if (indices.empty()) {
    return absl::InvalidArgumentError("indices: at least one image is needed");
  }
  if (dataset.size() == 0 || dataset.images.sizes().slice(1) !=
                                 at::IntArrayRef(network.image_shape())) {
    return absl::InvalidArgumentError(absl::StrCat(
        "dataset: ", dataset.name, " has no images of the model's shape, [",
        absl::StrJoin(network.image_shape(), ", "), "]"));
  }
  for (int64_t index : indices) {
    if (index < 0 || index >= dataset.size()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "indices: ", index, " is outside [0, ", dataset.size() - 1, "]"));
    }
  }
  const at::Tensor labels = dataset.Labels(indices);
  if (labels.min().item<int64_t>() < 0 ||
      labels.max().item<int64_t>() >= network.num_classes()) {
    return absl::InvalidArgumentError(
        absl::StrCat("dataset: ", dataset.name,
                     " has a label outside the model's classes, "
                     "[0, ",
                     network.num_classes() - 1, "]"));
  }
  return absl::OkStatus();
}

// One tile on its way through the attacks.
struct Tile {
  // Images. The rows after them are padding, where an image's bits may depend
  // on the shape of its batch: on any device but the CPU (see Network).
  int64_t count = 0;
  AttackBatch batch;
  std::vector<SampleRecord> records;
};

absl::StatusOr<Tile> MakeTile(
    const Network& network, const Dataset& dataset,
    std::vector<int64_t> indices, const EvaluationPlan& plan,
    const std::function<absl::Status()>& before_pass) {
  Tile tile;
  tile.count = static_cast<int64_t>(indices.size());
  if (!network.device().is_cpu()) {
    indices.resize(plan.tile_size, indices.back());
  }
  tile.batch.images = dataset.Pixels(indices);
  tile.batch.labels = dataset.Labels(indices);
  tile.batch.samples = at::tensor(indices, at::kLong);
  for (int64_t i = 0; i < tile.count; ++i) {
    SampleRecord record;
    record.index = indices[i];
    record.label = tile.batch.labels[i].item<int64_t>();
    tile.records.push_back(record);
  }
  if (plan.goal.kind == Goal::Kind::kUntargeted) return tile;

  if (before_pass) {
    if (absl::Status status = before_pass(); !status.ok()) return status;
  }
  tile.batch.clean_logits = network.Logits(tile.batch.images).cpu();
  absl::StatusOr<at::Tensor> targets =
      ResolveTargets(plan.goal, tile.batch.labels, tile.batch.clean_logits,
                     at::tensor(indices, at::kLong), plan.seed);
  if (!targets.ok()) return targets.status();
  tile.batch.targets = *std::move(targets);
  return tile;
}

void AddCleanVerdicts(Tile& tile) {
  const std::vector<Verdict> verdicts =
      MeasureVerdicts(tile.batch.clean_logits, tile.batch.labels, tile.count);
  for (int64_t i = 0; i < tile.count; ++i) {
    tile.records[i].prediction = verdicts[i].prediction;
    tile.records[i].confidence = verdicts[i].confidence;
    tile.records[i].label_confidence = verdicts[i].label_confidence;
  }
}

}  // namespace

int64_t DefaultTileSize(at::Device device) {
  return device.is_cpu() ? EvaluationPlan().tile_size : 1000;
}

absl::Status Validate(const EvaluationPlan& plan,
                      const std::vector<int64_t>& image_shape,
                      int64_t classes) {
  int64_t values_per_image = 1;
  for (int64_t size : image_shape) values_per_image *= size;
  Violations violations;
  if (plan.attacks.empty()) {
    violations.Add("attacks: at least one is needed");
  }
  const RunOptions options = MakeRunOptions(plan);
  const AttackProblem problem{values_per_image, classes,
                              plan.goal.kind == Goal::Kind::kTargeted};
  for (const AttackConfig& config : plan.attacks) {
    absl::StatusOr<std::unique_ptr<const Attack>> attack = MakeAttack(config);
    violations.AddAll(attack.ok() ? (*attack)->Validate(options, problem)
                                  : attack.status());
  }
  if (plan.goal.kind == Goal::Kind::kTargeted &&
      plan.goal.rule == Goal::TargetRule::kFixed &&
      (plan.goal.target_class < 0 || plan.goal.target_class >= classes)) {
    violations.Add(absl::StrCat("target_class: ", plan.goal.target_class,
                                " is outside [0, ", classes - 1, "]"));
  }
  if (plan.tile_size < 1 || plan.tile_size > kMaxTileSize) {
    violations.Add(absl::StrCat("tile_size: ", plan.tile_size,
                                " is outside [1, ", kMaxTileSize, "]"));
  }
  return violations.ToStatus();
}

void AddExamples(const Dataset& dataset, int64_t classes, AttackBatch& batch) {
  // A model need not know the first one; of so many it knows one even of a
  // class that it is bad at.
  constexpr int64_t kOfEachClass = 16;
  std::vector<int64_t> indices;
  for (int64_t i : FirstOfEachClass(dataset.labels, kOfEachClass)) {
    const auto label = dataset.labels[i].item<int64_t>();
    if (label >= 0 && label < classes) indices.push_back(i);
  }
  batch.examples = dataset.Pixels(indices);
  batch.example_classes = dataset.Labels(indices);
}

std::vector<AttackRecord> MakeAttackRecords(const AttackResult& result,
                                            const AttackBatch& batch,
                                            int64_t count) {
  const std::vector<Verdict> verdicts =
      MeasureVerdicts(result.logits, batch.labels, count);
  const std::vector<Distance> distances =
      MeasureDistances(result.images, batch.images, count);
  const at::Tensor success = result.success.cpu();
  const at::Tensor iterations = result.iterations.cpu();
  const at::Tensor zero_gradient = result.zero_gradient.cpu();
  const at::Tensor gradients = result.gradients.cpu();
  const at::Tensor forwards = result.forwards.cpu();
  const at::Tensor member =
      result.member.defined() ? result.member.cpu() : result.member;
  std::vector<AttackRecord> records;
  for (int64_t i = 0; i < count; ++i) {
    AttackRecord record;
    if (batch.targets.defined()) {
      record.target = batch.targets[i].item<int64_t>();
    }
    record.prediction = verdicts[i].prediction;
    record.confidence = verdicts[i].confidence;
    record.label_confidence = verdicts[i].label_confidence;
    record.success = success[i].item<bool>();
    record.iterations = iterations[i].item<int64_t>();
    record.zero_gradient = zero_gradient[i].item<bool>();
    record.gradients = gradients[i].item<int64_t>();
    record.forwards = forwards[i].item<int64_t>();
    record.l0 = distances[i].l0;
    record.l2 = distances[i].l2;
    record.linf = distances[i].linf;
    record.clean_rank = RankOf(batch.clean_logits[i].cpu(), record.prediction);
    if (member.defined()) record.member = member[i].item<int64_t>();
    records.push_back(record);
  }
  return records;
}

absl::StatusOr<std::vector<SampleRecord>> EvaluateTile(
    const Network& network, const Network& source, const Dataset& dataset,
    const std::vector<int64_t>& indices, const EvaluationPlan& plan,
    const std::function<absl::Status()>& before_pass) {
  absl::Status status =
      Validate(plan, network.image_shape(), network.num_classes());
  if (!status.ok()) return status;
  status = CheckImages(network, dataset, indices);
  if (!status.ok()) return status;
  if (static_cast<int64_t>(indices.size()) > plan.tile_size) {
    return absl::InvalidArgumentError(
        absl::StrCat("indices: ", indices.size(),
                     " images are more than tile_size, ", plan.tile_size));
  }
  absl::StatusOr<Tile> tile =
      MakeTile(network, dataset, indices, plan, before_pass);
  if (!tile.ok()) return tile.status();

  RunOptions options = MakeRunOptions(plan);
  options.before_pass = before_pass;
  for (const AttackConfig& config : plan.attacks) {
    absl::StatusOr<std::unique_ptr<const Attack>> attack = MakeAttack(config);
    if (!attack.ok()) return attack.status();
    if ((*attack)->StartsAtExamples() && tile->batch.targets.defined() &&
        !tile->batch.examples.defined()) {
      AddExamples(dataset, network.num_classes(), tile->batch);
    }
    absl::StatusOr<AttackOutcome> outcome =
        (*attack)->Run(network, source, tile->batch, options);
    if (!outcome.ok()) return outcome.status();
    // The next attack need not find them again.
    tile->batch.clean_logits = outcome->clean_logits;
    for (const AttackResult& result : outcome->results) {
      const std::vector<AttackRecord> records =
          MakeAttackRecords(result, tile->batch, tile->count);
      for (int64_t i = 0; i < tile->count; ++i) {
        tile->records[i].attacks.push_back(records[i]);
      }
    }
  }
  AddCleanVerdicts(*tile);
  return std::move(tile->records);
}

absl::StatusOr<EvaluationReport> Evaluate(
    const Network& network, const Network& source, const Dataset& dataset,
    const std::vector<int64_t>& indices, const EvaluationPlan& plan,
    const std::function<void(const std::vector<SampleRecord>&)>& progress,
    const std::function<absl::Status()>& before_pass) {
  absl::Status status =
      Validate(plan, network.image_shape(), network.num_classes());
  if (!status.ok()) return status;
  status = CheckImages(network, dataset, indices);
  if (!status.ok()) return status;

  std::vector<SampleRecord> records;
  const auto count = static_cast<int64_t>(indices.size());
  for (int64_t begin = 0; begin < count; begin += plan.tile_size) {
    const int64_t end = std::min(begin + plan.tile_size, count);
    absl::StatusOr<std::vector<SampleRecord>> tile = EvaluateTile(
        network, source, dataset,
        {indices.begin() + begin, indices.begin() + end}, plan, before_pass);
    if (!tile.ok()) return tile.status();
    std::move(tile->begin(), tile->end(), std::back_inserter(records));
    if (progress) progress(records);
  }
  return BuildReport(plan, dataset.class_names, std::move(records));
}

}  // namespace adv
