#include "engine/evaluation/evaluation.h"

#include <ATen/ATen.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "engine/evaluation/measure.h"
#include "engine/evaluation/tile.h"

namespace adv {
namespace {

// Checks that the images have the network's shape and labels among its classes.
absl::Status CheckImages(const Network& network, const Dataset& dataset,
                         const std::vector<int64_t>& indices) {
  if (indices.empty()) {
    return absl::InvalidArgumentError("indices: at least one image is needed");
  }
  if (dataset.size() == 0 ||
      dataset.images.sizes().slice(1) !=
          at::IntArrayRef(network.traits().image_shape)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "dataset: ", dataset.name, " has no images of the model's shape, [",
        absl::StrJoin(network.traits().image_shape, ", "), "]"));
  }
  for (int64_t index : indices) {
    if (index < 0 || index >= dataset.size()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "indices: ", index, " is outside [0, ", dataset.size() - 1, "]"));
    }
  }
  const at::Tensor labels = dataset.Labels(indices);
  if (labels.min().item<int64_t>() < 0 ||
      labels.max().item<int64_t>() >= network.traits().classes) {
    return absl::InvalidArgumentError(
        absl::StrCat("dataset: ", dataset.name,
                     " has a label outside the model's classes, "
                     "[0, ",
                     network.traits().classes - 1, "]"));
  }
  return absl::OkStatus();
}

// The images at `indices`. Padding keeps the shape of the batch where an
// image's bits may depend on it.
Tile MakeTile(const Network& network, const Network& source,
              const Dataset& dataset, std::vector<int64_t> indices,
              const EvaluationPlan& plan) {
  Tile tile;
  tile.count = static_cast<int64_t>(indices.size());
  tile.dataset = &dataset;
  tile.goal = plan.goal;
  if (network.traits().padded() || source.traits().padded()) {
    // Copies of a real image are valid input; MakeRecords leaves them out.
    indices.resize(plan.tile_size, indices.back());
  }
  tile.batch.images = dataset.Pixels(indices);
  tile.batch.labels = dataset.Labels(indices);
  tile.batch.samples = at::tensor(indices, at::kLong);
  return tile;
}

absl::Status CheckKnown(const UnfinishedRecords& known,
                        const std::vector<int64_t>& indices,
                        const EvaluationPlan& plan) {
  if (known.empty()) return absl::OkStatus();
  const size_t results = known.front().attacks.size();
  bool fits = known.size() == indices.size() &&
              results <= plan.attacks.size() * plan.epsilons.size();
  for (size_t i = 0; fits && i < known.size(); ++i) {
    fits = known[i].index == indices[i] && known[i].attacks.size() == results;
  }
  return fits ? absl::OkStatus()
              : absl::InvalidArgumentError(
                    "known: are no records of these images under the first "
                    "attacks of the plan");
}

// The records of the clean images. Their attacks are added later.
std::vector<SampleRecord> CleanRecords(const Tile& tile) {
  const std::vector<Verdict> verdicts =
      MeasureVerdicts(tile.batch.clean_logits, tile.batch.labels, tile.count);
  std::vector<SampleRecord> records(tile.count);
  for (int64_t i = 0; i < tile.count; ++i) {
    SampleRecord& record = records[i];
    record.index = tile.batch.samples[i].item<int64_t>();
    record.label = tile.batch.labels[i].item<int64_t>();
    record.prediction = verdicts[i].prediction;
    record.confidence = verdicts[i].confidence;
    record.label_confidence = verdicts[i].label_confidence;
  }
  return records;
}

}  // namespace

absl::StatusOr<std::vector<SampleRecord>> EvaluateTile(
    const Network& network, const Network& source, const Dataset& dataset,
    const std::vector<int64_t>& indices, const EvaluationPlan& plan,
    const std::function<absl::Status()>& before_pass,
    TileOptions tile_options) {
  absl::Status status =
      Validate(plan, network.traits().image_shape, network.traits().classes);
  if (!status.ok()) return status;
  status = CheckImages(network, dataset, indices);
  if (!status.ok()) return status;
  // Padding can only make a batch larger.
  if (static_cast<int64_t>(indices.size()) > plan.tile_size) {
    return absl::InvalidArgumentError(
        absl::StrCat("indices: ", indices.size(),
                     " images are more than tile_size, ", plan.tile_size));
  }
  std::vector<SampleRecord> records = std::move(tile_options.known);
  status = CheckKnown(records, indices, plan);
  if (!status.ok()) return status;
  Tile tile = MakeTile(network, source, dataset, indices, plan);
  tile.craft_once = std::move(tile_options.craft_once);
  tile.known = records.empty() ? 0 : records.front().attacks.size();
  RunOptions options = RunOptionsOf(plan);
  options.before_pass = before_pass;
  status = AttackTile(network, source, plan.attacks, options, tile,
                      [&](const std::vector<EpsilonResult>& results) {
                        // The first attack has computed the clean logits.
                        if (records.empty()) records = CleanRecords(tile);
                        for (const EpsilonResult& result : results) {
                          for (int64_t i = 0; i < tile.count; ++i) {
                            records[i].attacks.push_back(result.records[i]);
                          }
                        }
                        return tile_options.on_results
                                   ? tile_options.on_results(records)
                                   : absl::OkStatus();
                      });
  if (!status.ok()) return status;
  return records;
}

absl::StatusOr<EvaluationReport> Evaluate(
    const Network& network, const Network& source, const Dataset& dataset,
    const std::vector<int64_t>& indices, const EvaluationPlan& plan,
    const std::function<void(const std::vector<SampleRecord>&)>& progress,
    const std::function<absl::Status()>& before_pass) {
  absl::Status status =
      Validate(plan, network.traits().image_shape, network.traits().classes);
  if (!status.ok()) return status;
  status = CheckImages(network, dataset, indices);
  if (!status.ok()) return status;

  std::vector<SampleRecord> records;
  const auto count = static_cast<int64_t>(indices.size());
  for (int64_t begin = 0; begin < count; begin += plan.tile_size) {
    // The last tile may have fewer images.
    const int64_t end = std::min(begin + plan.tile_size, count);
    absl::StatusOr<std::vector<SampleRecord>> tile = EvaluateTile(
        network, source, dataset,
        {indices.begin() + begin, indices.begin() + end}, plan, before_pass);
    if (!tile.ok()) return tile.status();
    std::move(tile->begin(), tile->end(), std::back_inserter(records));
    if (progress) progress(records);
  }
  return BuildReport(plan, {dataset.class_names, dataset.superclasses},
                     std::move(records));
}

}  // namespace adv
