#ifndef ADV_SERVER_COMPUTE_ADVERSARIAL_H_
#define ADV_SERVER_COMPUTE_ADVERSARIAL_H_

#include <ATen/core/Tensor.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/attacks/attack_config.h"
#include "engine/attacks/attack_run.h"
#include "engine/data/dataset.h"
#include "engine/evaluation/records.h"
#include "server/compute/executor.h"
#include "server/models/served_model.h"

namespace adv {

// The logits [N, classes] of `images`, tile by tile. On the CPU.
absl::StatusOr<at::Tensor> ComputeLogits(const Network& network,
                                         const at::Tensor& images,
                                         const BeforePass& before_pass);

// A GenerateAdversarial request as the codec leaves it: valid but for what
// only the model's answers can tell.
struct AdversarialTask {
  std::shared_ptr<const ServedModel> model;
  std::shared_ptr<const ServedModel> source_model;  // `model` but for transfer
  at::Tensor images;   // [N, channels, height, width] float32 in [0, 1]
  at::Tensor labels;   // [N] int64; undefined: the model's predictions
  at::Tensor samples;  // [N] int64, what random draws are keyed by
  // The data set that the images are of; null: they are the caller's own.
  std::shared_ptr<const Dataset> dataset;
  Goal goal;
  at::Tensor targets;        // [N] int64; undefined: as `goal` says
  std::string target_field;  // where a request names its targets
  AttackConfig attack;
  RunOptions options;       // with one epsilon; before_pass is Perturb's
  Lane lane = Lane::kBulk;  // of the job that computes it
};

// All on the CPU, image by image.
struct AdversarialImages {
  at::Tensor labels;        // [N] int64
  at::Tensor images;        // as AdversarialTask::images
  at::Tensor clean_logits;  // [N, classes]
  at::Tensor logits;        // [N, classes], of `images`
  std::vector<AttackRecord> records;
};

// Runs on an owner thread of the executor. INVALID_ARGUMENT names each image
// whose target is the label that the model gave it.
absl::StatusOr<AdversarialImages> Perturb(const AdversarialTask& task,
                                          const BeforePass& before_pass);

}  // namespace adv

#endif  // ADV_SERVER_COMPUTE_ADVERSARIAL_H_
