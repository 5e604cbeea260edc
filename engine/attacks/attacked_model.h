#ifndef ADV_ENGINE_ATTACKS_ATTACKED_MODEL_H_
#define ADV_ENGINE_ATTACKS_ATTACKED_MODEL_H_

#include <ATen/core/Tensor.h>
#include <absl/status/statusor.h>

#include <functional>

#include "engine/attacks/attack_run.h"
#include "engine/nn/network.h"

namespace adv {

// The network as an attack sees it, for one batch of N images. Before each pass
// the caller's hook may end the run; after it, values that are not finite do
// (INTERNAL). What a pass costs is counted for the images that are in it.
//
// For a transfer it is the source. The target gives its verdict later, so what
// the attacker would learn from it is made up here: no clean image fools it,
// and every other image does.
//
// `rows` [M] int64 says which images of the batch the M given ones are. One may
// be there several times, as when its gradients for several classes share a
// pass. An image that is no longer active need not be computed any more.
// Where an image's bits may depend on the shape of the call, the batch is
// padded to N all the same, which is not counted.
//
// Not thread-safe; lives as long as one run.
class AttackedModel {
 public:
  // Keeps references to all but `batch`, whose tensors it shares, on the
  // network's device.
  AttackedModel(const Network& network, bool transfer, const AttackBatch& batch,
                const std::function<absl::Status()>& before_pass);

  // Whether the verdict comes from another network.
  bool transfer() const { return transfer_; }

  // The gradient, with respect to logits [M, classes], of what an attack makes
  // larger, summed over images; a pure function of each row. The caller binds
  // which images they are.
  using Objective = std::function<at::Tensor(const at::Tensor& logits)>;

  // How many images a pass may have: as many as the batch of the whole run, so
  // that padding keeps its shape; where that does not matter, at least so many
  // that larger ones would hardly be cheaper.
  int64_t slots() const;
  // How many passes of `count` images fit into one, at least 1.
  int64_t PassesInOne(int64_t count) const;

  int64_t classes() const { return network_.traits().classes; }

  // Whether the goal is a class of its own for each image.
  bool targeted() const { return targeted_; }

  // Of the images at `rows`: the loss L of the labels or, for a targeted
  // attack, minus that of the targets.
  Objective DefaultObjective(const at::Tensor& rows) const;
  // Its value [M] at these logits.
  at::Tensor ObjectiveValue(const at::Tensor& logits,
                            const at::Tensor& rows) const;

  // The network's logits of the images, and the gradient of `objective`.
  absl::StatusOr<LogitsAndGradient> Gradient(const at::Tensor& images,
                                             const at::Tensor& rows,
                                             const Objective& objective);
  // The same at the N clean images. Computed once; shared by all epsilons, so
  // do not write to it, and ask with the same objective each time.
  absl::StatusOr<LogitsAndGradient> CleanGradient(const Objective& objective);

  // The network's logits: what an attack that needs no gradients goes by.
  absl::StatusOr<at::Tensor> Scores(const at::Tensor& images,
                                    const at::Tensor& rows);

  // The target's logits. For a transfer they are made up, but counted all the
  // same: the target's verdict costs a forward.
  absl::StatusOr<at::Tensor> Logits(const at::Tensor& images,
                                    const at::Tensor& rows);
  // The same of the N clean images. Computed once, and not at all if the
  // caller or CleanGradient has them already; never counted.
  absl::StatusOr<at::Tensor> CleanLogits();
  // The network's, by which an attack chooses classes. For a transfer they are
  // computed, and counted, once.
  absl::StatusOr<at::Tensor> CleanScores();

  // [M] bool: untargeted, not classified as the label; targeted, classified
  // as the target.
  at::Tensor Fooled(const at::Tensor& logits, const at::Tensor& rows) const;

  // The same network and hook for `part`, images of this batch; what it
  // costs is its own. Where calls are padded, it is to the size of this one.
  AttackedModel Part(const AttackBatch& part) const;
  // The same for this batch `times` over, image i being rows i, N + i, 2 N + i
  // and so on. For all but what is clean.
  AttackedModel Repeated(int64_t times) const;
  // Adds what a part spent on the images at `rows`.
  void Charge(const AttackResult& spent, const at::Tensor& rows);

  // Writes what was spent since the last call, and whether a gradient used
  // since then was zero everywhere.
  void ChargeTo(AttackResult& result);

 private:
  AttackedModel(const Network& network, bool transfer, const AttackBatch& batch,
                const std::function<absl::Status()>& before_pass,
                int64_t padded_size);

  struct Checked {
    LogitsAndGradient found;
    at::Tensor zero;  // [M] bool: the gradient is zero everywhere
  };
  absl::StatusOr<Checked> UncountedGradient(const at::Tensor& images,
                                            const Objective& objective);
  absl::StatusOr<at::Tensor> UncountedLogits(const at::Tensor& images);
  // [M, classes], by which each of `classes` [M] is the network's verdict.
  at::Tensor MadeUpLogits(const at::Tensor& classes) const;
  at::Tensor Pad(const at::Tensor& values) const;
  absl::Status BeforePass() const;
  void ResetCosts();

  const Network& network_;
  const bool transfer_;
  const std::function<absl::Status()>& before_pass_;
  const at::Tensor originals_;
  const int64_t padded_size_;
  const bool pads_;
  const bool targeted_;
  const at::Tensor labels_;
  const at::Tensor classes_;  // [N], the targets or the labels
  Checked clean_gradient_;
  at::Tensor clean_logits_, clean_scores_;  // the target's, the network's
  at::Tensor zero_gradient_, gradients_, forwards_;  // [N]
};

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_ATTACKED_MODEL_H_
