#include "engine/attacks/attack_config.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cmath>

#include "engine/attacks/violations.h"

namespace adv {
namespace {

std::string Name(const FgsmConfig&) { return "fgsm"; }
std::string Name(const IgsmConfig&) { return "igsm"; }

absl::Status ValidateOne(const FgsmConfig&) { return absl::OkStatus(); }

absl::Status ValidateOne(const IgsmConfig& config) {
  Violations violations;
  if (!(config.step_size > 0 && config.step_size <= 1)) {
    violations.Add(
        absl::StrCat("step_size: ", config.step_size, " is outside (0, 1]"));
  }
  if (config.steps && (*config.steps < 1 || *config.steps > kMaxSteps)) {
    violations.Add(absl::StrCat("steps: ", *config.steps, " is outside [1, ",
                                kMaxSteps, "]"));
  }
  return violations.ToStatus();
}

}  // namespace

std::string AttackName(const AttackConfig& config) {
  return std::visit([](const auto& one) { return Name(one); }, config);
}

absl::Status Validate(const AttackConfig& config) {
  return std::visit([](const auto& one) { return ValidateOne(one); }, config);
}

int64_t IgsmSteps(const IgsmConfig& config, double epsilon) {
  if (config.steps) return *config.steps;
  const double e = 255 * epsilon;
  // 255 * (8 / 255) is a little more than 8; that is not another step.
  constexpr double kRounding = 1e-6;
  const double steps = std::ceil(std::min(e + 4, 1.25 * e) - kRounding);
  return std::max<int64_t>(1, static_cast<int64_t>(steps));
}

}  // namespace adv
