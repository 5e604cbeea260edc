#include "server/compute/adversarial.h"

#include <ATen/ATen.h>

#include <utility>

#include "engine/evaluation/tile.h"
#include "server/codec/codec_attack.h"

namespace adv {
namespace {

// Images of one tile. Other jobs have their turn between two tiles.
constexpr int64_t kTileSize = 128;

// The rows of one tile; a shorter last tile gets what is left. Undefined stays
// undefined.
at::Tensor Slice(const at::Tensor& rows, int64_t begin) {
  return rows.defined() ? rows.slice(0, begin, begin + kTileSize) : rows;
}

// The targets that the caller chose, none of which is a label; undefined if a
// rule finds them.
absl::StatusOr<at::Tensor> ChosenTargets(const AdversarialTask& task,
                                         const at::Tensor& labels) {
  if (task.goal.kind == Goal::Kind::kUntargeted) return at::Tensor();
  at::Tensor targets = task.targets;
  // A fixed target is checked like targets that the request lists: only here
  // are the labels known if the model gives them.
  if (!targets.defined() && task.goal.rule == Goal::TargetRule::kFixed) {
    targets = at::full_like(labels, task.goal.target_class);
  }
  if (!targets.defined()) return targets;
  FieldViolations violations;
  CheckTargets(targets, labels, task.target_field, &violations);
  if (!violations.empty()) return violations.status();
  return targets;
}

// The tile that begins at image `begin`. It carries the clean logits, so that
// the attack does not compute them again.
Tile MakeTile(const AdversarialTask& task, const AdversarialImages& all,
              const at::Tensor& targets, int64_t begin) {
  Tile tile;
  tile.batch.images = Slice(task.images, begin);
  tile.batch.labels = Slice(all.labels, begin);
  tile.batch.targets = Slice(targets, begin);
  tile.batch.samples = Slice(task.samples, begin);
  tile.batch.clean_logits = Slice(all.clean_logits, begin);
  tile.count = tile.batch.labels.size(0);
  tile.dataset = task.dataset.get();
  tile.goal = task.goal;
  return tile;
}

}  // namespace

absl::StatusOr<at::Tensor> ComputeLogits(const Network& network,
                                         const at::Tensor& images,
                                         const BeforePass& before_pass) {
  std::vector<at::Tensor> tiles;
  for (int64_t begin = 0; begin < images.size(0); begin += kTileSize) {
    if (absl::Status status = before_pass(); !status.ok()) return status;
    const absl::StatusOr<at::Tensor> logits =
        network.Logits(Slice(images, begin));
    if (!logits.ok()) return logits.status();
    // Results leave the device at once: it holds one tile, whatever was asked.
    tiles.push_back(logits->cpu());
  }
  return at::cat(tiles);
}

absl::StatusOr<AdversarialImages> Perturb(const AdversarialTask& task,
                                          const BeforePass& before_pass) {
  const Network& network = task.model->NetworkFor(task.lane);
  absl::StatusOr<at::Tensor> clean =
      ComputeLogits(network, task.images, before_pass);
  if (!clean.ok()) return clean.status();
  AdversarialImages all;
  all.clean_logits = *clean;
  // Images without labels are attacked away from the class that the model sees.
  all.labels = task.labels.defined() ? task.labels : clean->argmax(1);
  const absl::StatusOr<at::Tensor> targets = ChosenTargets(task, all.labels);
  if (!targets.ok()) return targets.status();

  RunOptions options = task.options;
  options.before_pass = before_pass;
  // There is one attack at one epsilon, so each tile gives one result.
  std::vector<at::Tensor> images, logits;
  const auto keep = [&](const std::vector<EpsilonResult>& results) {
    for (const EpsilonResult& one : results) {
      images.push_back(one.result.images.cpu());
      logits.push_back(one.result.logits.cpu());
      all.records.insert(all.records.end(), one.records.begin(),
                         one.records.end());
    }
    return absl::OkStatus();
  };
  for (int64_t begin = 0; begin < task.images.size(0); begin += kTileSize) {
    Tile tile = MakeTile(task, all, *targets, begin);
    const absl::Status status =
        AttackTile(network, task.source_model->NetworkFor(task.lane),
                   {task.attack}, options, tile, keep);
    if (!status.ok()) return status;
  }
  all.images = at::cat(images);
  all.logits = at::cat(logits);
  return all;
}

}  // namespace adv
