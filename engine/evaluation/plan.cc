#include "engine/evaluation/plan.h"

#include <absl/strings/str_cat.h>

#include "engine/attacks/attack.h"
#include "engine/attacks/attack_traits.h"
#include "engine/attacks/violations.h"

namespace adv {
namespace {

constexpr int64_t kMaxTileSize = 1024;

}  // namespace

RunOptions RunOptionsOf(const EvaluationPlan& plan) {
  RunOptions options;
  options.norm = plan.norm;
  options.epsilons = plan.epsilons;
  options.success = plan.success;
  options.eight_bit = plan.eight_bit;
  options.precision = plan.precision;
  options.seed = plan.seed;
  return options;
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
  const RunOptions options = RunOptionsOf(plan);
  const AttackProblem problem{values_per_image, classes,
                              plan.goal.kind == Goal::Kind::kTargeted};
  for (const AttackConfig& config : plan.attacks) {
    const absl::Status valid = Validate(config);
    // A config that is wrong by itself is not held against the run as well.
    violations.AddAll(
        valid.ok() ? ValidateRun(TraitsOf(config), options, problem) : valid);
  }
  // Checked here as well as in ResolveTargets, so that a bad class fails before
  // any image is attacked.
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

}  // namespace adv
