#include "engine/evaluation/warnings.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include <algorithm>

namespace adv {
namespace {

void WarnOfSettings(const EvaluationPlan& plan,
                    std::vector<std::string>& warnings) {
  for (const AttackConfig& config : plan.attacks) {
    if (const auto* fgsm = std::get_if<FgsmConfig>(&config);
        fgsm != nullptr && fgsm->thesis_mode) {
      warnings.push_back(
          "fgsm: thesis_mode, images are not clipped to [0, 1] and sign(0) is "
          "+1");
    }
    const auto* igsm = std::get_if<IgsmConfig>(&config);
    if (igsm == nullptr) continue;
    for (double epsilon : plan.epsilons) {
      const double reach =
          static_cast<double>(IgsmSteps(*igsm, epsilon)) * igsm->step_size;
      // Less than this is rounding of the numbers a caller typed.
      constexpr double kRounding = 1e-6;
      if (reach < epsilon - kRounding) {
        warnings.push_back(absl::StrFormat(
            "igsm: steps times step_size is %.4g and cannot reach epsilon "
            "%.4g",
            reach, epsilon));
      }
    }
  }
}

void WarnOfZeroGradients(const EvaluationPlan& plan, int64_t samples,
                         const AttackReport& attack,
                         std::vector<std::string>& warnings) {
  if (attack.zero_gradient_images == 0) return;
  warnings.push_back(absl::StrFormat(
      "%s: the gradient was zero for %d of %d images at epsilon %.4g: it may "
      "be masked, and robust accuracy overstated",
      AttackName(plan.attacks[attack.attack]), attack.zero_gradient_images,
      samples, attack.epsilon));
}

// Who may change more cannot succeed less, unless the attack is at fault.
// (Targeted attacks lead elsewhere; their accuracy may go either way.)
void WarnOfRisingAccuracy(const EvaluationPlan& plan,
                          std::vector<AttackReport> attacks,
                          std::vector<std::string>& warnings) {
  if (plan.goal.kind == Goal::Kind::kTargeted) return;
  std::stable_sort(attacks.begin(), attacks.end(),
                   [](const AttackReport& a, const AttackReport& b) {
                     return std::pair(a.attack, a.epsilon) <
                            std::pair(b.attack, b.epsilon);
                   });
  for (size_t i = 1; i < attacks.size(); ++i) {
    const AttackReport& low = attacks[i - 1];
    const AttackReport& high = attacks[i];
    if (low.attack != high.attack ||
        high.overall.right_right <= low.overall.right_right) {
      continue;
    }
    warnings.push_back(absl::StrFormat(
        "%s: robust accuracy rises with epsilon, from %d right at %.4g to %d "
        "right at %.4g: a stronger attack would do better",
        AttackName(plan.attacks[low.attack]), low.overall.right_right,
        low.epsilon, high.overall.right_right, high.epsilon));
  }
}

}  // namespace

std::vector<std::string> FindWarnings(const EvaluationPlan& plan,
                                      const EvaluationReport& report) {
  std::vector<std::string> warnings;
  WarnOfSettings(plan, warnings);
  for (const AttackReport& attack : report.attacks) {
    WarnOfZeroGradients(plan, report.samples, attack, warnings);
  }
  WarnOfRisingAccuracy(plan, report.attacks, warnings);
  return warnings;
}

}  // namespace adv
