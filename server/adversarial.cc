#include "server/adversarial.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

#include "server/codec_attack.h"

namespace adv {
namespace {

// Between two of them others may have their turn.
constexpr int64_t kTileSize = 128;

at::Tensor Tile(const at::Tensor& rows, int64_t begin) {
  return rows.defined() ? rows.slice(0, begin, begin + kTileSize) : rows;
}

// Targets of all images, none of which is a label.
absl::StatusOr<at::Tensor> FindTargets(const AdversarialTask& task,
                                       const at::Tensor& labels,
                                       const at::Tensor& clean_logits) {
  if (task.goal.kind == Goal::Kind::kUntargeted) return at::Tensor();
  at::Tensor targets = task.targets;
  if (!targets.defined() && task.goal.rule == Goal::TargetRule::kFixed) {
    targets = at::full_like(labels, task.goal.target_class);
  }
  if (targets.defined()) {
    FieldViolations violations;
    CheckTargets(targets, labels, task.target_field, &violations);
    if (!violations.empty()) return violations.status();
    return targets;
  }
  return ResolveTargets(task.goal, labels, clean_logits, task.samples,
                        task.options.seed);
}

}  // namespace

absl::StatusOr<at::Tensor> ComputeLogits(const Network& network,
                                         const at::Tensor& images,
                                         const BeforePass& before_pass) {
  std::vector<at::Tensor> tiles;
  for (int64_t begin = 0; begin < images.size(0); begin += kTileSize) {
    if (absl::Status status = before_pass(); !status.ok()) return status;
    tiles.push_back(network.Logits(Tile(images, begin)).cpu());
  }
  return at::cat(tiles);
}

absl::StatusOr<AdversarialImages> Perturb(const AdversarialTask& task,
                                          const BeforePass& before_pass) {
  const Network& network = *task.model->network;
  absl::StatusOr<at::Tensor> clean =
      ComputeLogits(network, task.images, before_pass);
  if (!clean.ok()) return clean.status();
  AdversarialImages all;
  all.clean_logits = *clean;
  all.labels = task.labels.defined() ? task.labels : clean->argmax(1);
  const absl::StatusOr<at::Tensor> targets =
      FindTargets(task, all.labels, all.clean_logits);
  if (!targets.ok()) return targets.status();
  const auto attack = MakeAttack(task.attack);
  if (!attack.ok()) return attack.status();

  RunOptions options = task.options;
  options.before_pass = before_pass;
  std::vector<at::Tensor> images, logits;
  for (int64_t begin = 0; begin < task.images.size(0); begin += kTileSize) {
    AttackBatch batch;
    batch.images = Tile(task.images, begin);
    batch.labels = Tile(all.labels, begin);
    batch.targets = Tile(*targets, begin);
    batch.samples = Tile(task.samples, begin);
    batch.clean_logits = Tile(all.clean_logits, begin);
    if ((*attack)->StartsAtExamples() && targets->defined() &&
        task.dataset != nullptr) {
      AddExamples(*task.dataset, network.num_classes(), batch);
    }
    const absl::StatusOr<AttackOutcome> outcome =
        (*attack)->Run(network, *task.source_model->network, batch, options);
    if (!outcome.ok()) return outcome.status();
    const AttackResult& result = outcome->results.front();
    for (AttackRecord& record :
         MakeAttackRecords(result, batch, batch.labels.size(0))) {
      all.records.push_back(record);
    }
    images.push_back(result.images.cpu());
    logits.push_back(result.logits.cpu());
  }
  all.images = at::cat(images);
  all.logits = at::cat(logits);
  return all;
}

}  // namespace adv
