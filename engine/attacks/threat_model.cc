#include "engine/attacks/threat_model.h"

#include <ATen/ATen.h>
#include <absl/strings/str_cat.h>

#include <cmath>
#include <limits>

#include "engine/attacks/philox.h"

namespace adv {
namespace {

// Uniform over the classes other than `label`.
int64_t RandomTarget(uint64_t seed, int64_t index, int64_t label,
                     int64_t classes) {
  const auto bits =
      Philox({static_cast<uint32_t>(index),
              static_cast<uint32_t>(static_cast<uint64_t>(index) >> 32), 0, 0},
             {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)});
  // Draws one of classes - 1 numbers, and skips the label.
  const auto drawn = static_cast<int64_t>(
      (uint64_t{bits[0]} * static_cast<uint64_t>(classes - 1)) >> 32);
  return drawn < label ? drawn : drawn + 1;
}

absl::StatusOr<at::Tensor> FixedTargets(int64_t target,
                                        const at::Tensor& labels,
                                        const at::Tensor& indices,
                                        int64_t classes) {
  // The target comes from the caller, who need not know the model's classes.
  if (target < 0 || target >= classes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "target_class: ", target, " is outside [0, ", classes - 1, "]"));
  }
  const at::Tensor same = labels.eq(target).nonzero();
  if (same.numel() > 0) {
    const int64_t image = same[0].item<int64_t>();
    return absl::InvalidArgumentError(
        absl::StrCat("target_class: ", target, " is the label of image ",
                     indices[image].item<int64_t>()));
  }
  return at::full_like(labels, target);
}

at::Tensor RandomTargets(uint64_t seed, const at::Tensor& labels,
                         const at::Tensor& indices, int64_t classes) {
  // Philox runs on the CPU.
  const at::Tensor label = labels.cpu().contiguous();
  const at::Tensor index = indices.cpu().contiguous();
  at::Tensor targets = at::empty_like(label);
  for (int64_t i = 0; i < label.size(0); ++i) {
    targets.data_ptr<int64_t>()[i] =
        RandomTarget(seed, index.data_ptr<int64_t>()[i],
                     label.data_ptr<int64_t>()[i], classes);
  }
  return targets.to(labels.device());
}

}  // namespace

absl::Status Validate(const ThreatModel& threat_model,
                      int64_t values_per_image) {
  const double largest = threat_model.norm == Norm::kLinf
                             ? 1.0
                             : std::sqrt(static_cast<double>(values_per_image));
  // Asks for "inside" so that NaN, which fails both comparisons, is refused.
  if (threat_model.epsilon >= 0 && threat_model.epsilon <= largest) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "epsilon: ", threat_model.epsilon, " is outside [0, ", largest, "]"));
}

absl::StatusOr<at::Tensor> ResolveTargets(const Goal& goal,
                                          const at::Tensor& labels,
                                          const at::Tensor& clean_logits,
                                          const at::Tensor& indices,
                                          uint64_t seed) {
  if (goal.kind == Goal::Kind::kUntargeted) return at::Tensor();
  const int64_t classes = clean_logits.size(1);
  switch (goal.rule) {
    case Goal::TargetRule::kFixed:
      return FixedTargets(goal.target_class, labels, indices, classes);
    case Goal::TargetRule::kLeastLikely:
      // At infinity, the label is never the least likely class.
      return clean_logits
          .scatter(1, labels.unsqueeze(1),
                   std::numeric_limits<double>::infinity())
          .argmin(1);
    case Goal::TargetRule::kNext:
      return labels.add(1).remainder(classes);
    case Goal::TargetRule::kRandom:
      return RandomTargets(seed, labels, indices, classes);
  }
  return absl::InternalError("goal: unknown target rule");
}

}  // namespace adv
