#include "engine/evaluation/tile.h"

#include <ATen/ATen.h>
#include <absl/strings/str_cat.h>

#include <memory>
#include <utility>

#include "engine/attacks/make_attack.h"
#include "engine/evaluation/measure.h"

namespace adv {
namespace {

// Sets the targets by the goal's rule, which may need the clean logits. Targets
// that the caller has set already stay as they are.
absl::Status FindTargets(const Network& network, const RunOptions& options,
                         Tile& tile) {
  AttackBatch& batch = tile.batch;
  if (tile.goal.kind == Goal::Kind::kUntargeted || batch.targets.defined()) {
    return absl::OkStatus();
  }
  if (!batch.clean_logits.defined()) {
    if (options.before_pass) {
      absl::Status status = options.before_pass();
      if (!status.ok()) return status;
    }
    const absl::StatusOr<at::Tensor> logits = network.Logits(batch.images);
    if (!logits.ok()) return logits.status();
    // Kept, so that the first attack need not compute them again.
    batch.clean_logits = logits->cpu();
  }
  absl::StatusOr<at::Tensor> targets = ResolveTargets(
      tile.goal, batch.labels, batch.clean_logits, batch.samples, options.seed);
  if (!targets.ok()) return targets.status();
  batch.targets = *std::move(targets);
  return absl::OkStatus();
}

// Adds the first images of each class in the data set.
void AddExamples(const Dataset& dataset, int64_t classes, AttackBatch& batch) {
  // A model may be wrong about the first image of a class. Among this many it
  // is right about one, even in a class that it is bad at.
  constexpr int64_t kOfEachClass = 16;
  std::vector<int64_t> indices;
  for (int64_t i : FirstOfEachClass(dataset.labels, kOfEachClass)) {
    const auto label = dataset.labels[i].item<int64_t>();
    // The data set may have classes that the model does not know.
    if (label >= 0 && label < classes) indices.push_back(i);
  }
  batch.examples = dataset.Pixels(indices);
  batch.example_classes = dataset.Labels(indices);
}

// The records of the tile's images under an attack at one epsilon.
std::vector<AttackRecord> MakeRecords(const AttackResult& result,
                                      const Tile& tile) {
  const AttackBatch& batch = tile.batch;
  const std::vector<Verdict> verdicts =
      MeasureVerdicts(result.logits, batch.labels, tile.count);
  const std::vector<Distance> distances =
      MeasureDistances(result.images, batch.images, tile.count);
  // One copy of each tensor. Each item() of a tensor on a GPU would be a copy
  // of its own.
  const at::Tensor success = result.success.cpu();
  const at::Tensor iterations = result.iterations.cpu();
  const at::Tensor zero_gradient = result.zero_gradient.cpu();
  const at::Tensor gradients = result.gradients.cpu();
  const at::Tensor forwards = result.forwards.cpu();
  const at::Tensor member =
      result.member.defined() ? result.member.cpu() : result.member;
  std::vector<AttackRecord> records;
  // Rows from `count` on are padding and get no record.
  for (int64_t i = 0; i < tile.count; ++i) {
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

// Attack::Run of the attack at this place of the plan; a transfer may be shown
// what was crafted for another target.
absl::StatusOr<AttackOutcome> RunAttack(const Network& network,
                                        const Network& source, size_t place,
                                        const Attack& attack,
                                        const RunOptions& options,
                                        const Tile& tile) {
  const AttackBatch& batch = tile.batch;
  if (&network == &source || !tile.craft_once) {
    return attack.Run(network, source, batch, options);
  }
  // A padded tile is a larger batch.
  std::string key = absl::StrCat(place, " ", batch.labels.size(0), " ");
  if (batch.targets.defined()) {
    const at::Tensor targets = batch.targets.cpu().contiguous();
    key.append(reinterpret_cast<const char*>(targets.data_ptr<int64_t>()),
               targets.nbytes());
  }
  const absl::StatusOr<Crafted> crafted = tile.craft_once(
      key, [&] { return attack.Craft(source, batch, options); });
  if (!crafted.ok()) return crafted.status();
  return attack.Show(network, *crafted, batch, options);
}

// What a run does: all epsilons, or each in a run of its own.
std::vector<RunOptions> Parts(const RunOptions& options, bool apart) {
  if (!apart) return {options};
  std::vector<RunOptions> parts(options.epsilons.size(), options);
  for (size_t i = 0; i < parts.size(); ++i) {
    parts[i].epsilons = {options.epsilons[i]};
  }
  return parts;
}

// Runs the attack at `place` of the plan and hands over its results, the first
// of which is number `first` of the tile.
absl::Status RunPart(const Network& network, const Network& source,
                     size_t place, const Attack& attack,
                     const RunOptions& options, size_t first, Tile& tile,
                     const OnAttackResults& on_results) {
  AttackBatch& batch = tile.batch;
  // Few attacks need examples, so they are read for the first one that does.
  if (attack.traits().starts_at_examples && batch.targets.defined() &&
      tile.dataset != nullptr && !batch.examples.defined()) {
    AddExamples(*tile.dataset, network.traits().classes, batch);
  }
  absl::StatusOr<AttackOutcome> outcome =
      RunAttack(network, source, place, attack, options, tile);
  if (!outcome.ok()) return outcome.status();
  // The next attack then need not compute them again.
  batch.clean_logits = outcome->clean_logits;
  std::vector<EpsilonResult> results;
  for (size_t i = 0; i < outcome->results.size(); ++i) {
    if (first + i < tile.known) continue;
    AttackResult& result = outcome->results[i];
    std::vector<AttackRecord> records = MakeRecords(result, tile);
    results.push_back({std::move(result), std::move(records)});
  }
  return on_results(std::move(results));
}

}  // namespace

absl::Status AttackTile(const Network& network, const Network& source,
                        const std::vector<AttackConfig>& attacks,
                        const RunOptions& options, Tile& tile,
                        const OnAttackResults& on_results) {
  absl::Status status = FindTargets(network, options, tile);
  if (!status.ok()) return status;
  size_t first = 0;  // the place of the next run's first result
  for (size_t place = 0; place < attacks.size(); ++place) {
    const absl::StatusOr<std::unique_ptr<const Attack>> attack =
        MakeAttack(attacks[place]);
    if (!attack.ok()) return attack.status();
    const bool apart =
        (*attack)->traits().epsilons_apart && &network == &source;
    for (const RunOptions& part : Parts(options, apart)) {
      const size_t count = part.epsilons.size();
      if (first + count > tile.known) {
        status = RunPart(network, source, place, **attack, part, first, tile,
                         on_results);
        if (!status.ok()) return status;
      }
      first += count;
    }
  }
  return absl::OkStatus();
}

}  // namespace adv
