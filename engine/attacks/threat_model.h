#ifndef ADV_ENGINE_ATTACKS_THREAT_MODEL_H_
#define ADV_ENGINE_ATTACKS_THREAT_MODEL_H_

#include <ATen/core/Tensor.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>

#include "engine/attacks/norm.h"

namespace adv {

// The changes that the attacker may make.
struct ThreatModel {
  Norm norm = Norm::kLinf;
  // In pixel units, the box being [0, 1]: 8/255 is .0314. L-inf: [0, 1].
  // L2: [0, sqrt(number of pixels and channels)].
  double epsilon = 0;
};

// INVALID_ARGUMENT naming epsilon, its value and the range; NaN is one too.
absl::Status Validate(const ThreatModel& threat_model,
                      int64_t values_per_image);

// The direction of an attack: away from the true label (ascent on its loss), or
// toward a class (descent on that class's loss).
struct Goal {
  enum class Kind { kUntargeted, kTargeted };
  enum class TargetRule {
    kFixed,        // `target_class` for every image
    kLeastLikely,  // argmin of the clean logits
    kNext,         // (label + 1) mod classes
    kRandom,       // uniform over the other classes, keyed by (seed, index)
  };
  Kind kind = Kind::kUntargeted;
  TargetRule rule = TargetRule::kFixed;
  int64_t target_class = -1;  // for kFixed
};

// The target class of each image, [N] int64; undefined if untargeted.
// `indices` [N] are the images' indices in their data set: they key kRandom.
// INVALID_ARGUMENT if a fixed target is outside [0, classes) or equal to the
// label of an image (the message says which). An image whose least likely
// class is its label gets the second least likely.
absl::StatusOr<at::Tensor> ResolveTargets(const Goal& goal,
                                          const at::Tensor& labels,
                                          const at::Tensor& clean_logits,
                                          const at::Tensor& indices,
                                          uint64_t seed);

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_THREAT_MODEL_H_
