#include "engine/evaluation/warnings.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include <algorithm>
#include <functional>
#include <optional>

#include "engine/attacks/attack_traits.h"
#include "engine/attacks/ball.h"
#include "engine/evaluation/effort.h"

namespace adv {
namespace {

using Warnings = std::vector<std::string>;

// A smaller difference comes from rounding of the numbers that a caller typed.
constexpr double kRounding = 1e-6;

// "pgd", or "pgd (attack 2)" if the plan has several.
std::string NameIn(const EvaluationPlan& plan, size_t attack) {
  const std::string name = AttackName(plan.attacks[attack]);
  const auto same = std::count_if(
      plan.attacks.begin(), plan.attacks.end(),
      [&](const AttackConfig& other) { return AttackName(other) == name; });
  return same < 2 ? name : absl::StrCat(name, " (attack ", attack + 1, ")");
}

// The distance that all steps together can lead, for the attacks whose step
// size does not adapt. Nothing for the other attacks.
struct ReachAt {
  double epsilon;

  static double Reach(int64_t steps, double step_size) {
    return static_cast<double>(steps) * step_size;
  }
  template <typename Config>
  std::optional<double> operator()(const Config&) const {
    return std::nullopt;
  }
  std::optional<double> operator()(const IgsmConfig& config) const {
    return Reach(IgsmSteps(config.steps, epsilon), config.step_size);
  }
  std::optional<double> operator()(
      const IterativeLeastLikelyConfig& config) const {
    return Reach(IgsmSteps(config.steps, epsilon), config.step_size);
  }
  std::optional<double> operator()(const PgdConfig& config) const {
    return Reach(config.steps, config.step_size.value_or(epsilon / 4));
  }
  std::optional<double> operator()(const MiFgsmConfig& config) const {
    if (!config.step_size) return std::nullopt;  // epsilon / steps
    return Reach(config.steps, *config.step_size);
  }
};

// Adds the warnings of one attack, called `name`.
void WarnOfSetting(const EvaluationPlan& plan, const AttackConfig& config,
                   const std::string& name, Warnings& warnings) {
  if (const auto* ensemble = std::get_if<AutoAttackConfig>(&config)) {
    if (TraitsOf(config).access < Access::kGradients) {
      warnings.push_back(absl::StrCat(
          name,
          ": its members go by scores or decisions alone, so it is "
          "weaker than the AutoAttack that others report"));
    }
    // The members have settings of their own, and so warnings of their own.
    for (const AnyAttack& member : MembersOf(*ensemble)) {
      WarnOfSetting(plan, member.config,
                    absl::StrCat(name, "'s ", AttackName(member.config)),
                    warnings);
    }
    return;
  }
  if (const auto* fgsm = std::get_if<FgsmConfig>(&config);
      fgsm != nullptr && fgsm->thesis_mode) {
    warnings.push_back(absl::StrCat(
        name,
        ": thesis_mode, images are not clipped to [0, 1] and sign(0) is +1"));
  }
  for (double epsilon : plan.epsilons) {
    const std::optional<double> reach = std::visit(ReachAt{epsilon}, config);
    if (reach && *reach < epsilon - kRounding) {
      warnings.push_back(absl::StrFormat(
          "%s: steps times step_size is %.4g and cannot reach epsilon %.4g",
          name, *reach, epsilon));
    }
  }
}

// Images of 8 bits change by whole levels, so a part of epsilon may be of no
// use. In L2 an epsilon is no number of levels.
void WarnOfLevels(const EvaluationPlan& plan, Warnings& warnings) {
  if (!plan.eight_bit || plan.norm != Norm::kLinf) return;
  for (double epsilon : plan.epsilons) {
    const double levels = 255 * epsilon;
    const int64_t whole = LevelsWithin(epsilon);
    // 8/255, typed as a decimal number, is not exactly 8 levels.
    if (levels - static_cast<double>(whole) < 1e-3) continue;
    warnings.push_back(absl::StrFormat(
        "eight_bit: epsilon %.4g is %.4g levels of 255, of which %d can be "
        "used",
        epsilon, levels, whole));
  }
}

void WarnOfZeroGradients(const EvaluationPlan& plan, int64_t samples,
                         const AttackReport& attack, Warnings& warnings) {
  if (attack.zero_gradient_images == 0) return;
  warnings.push_back(absl::StrFormat(
      "%s: the gradient was zero for %d of %d images at epsilon %.4g: it may "
      "be masked, and robust accuracy overstated",
      NameIn(plan, attack.attack), attack.zero_gradient_images, samples,
      attack.epsilon));
}

// An attacker who may change more cannot succeed less, unless the attack is at
// fault.
void WarnOfRisingAccuracy(const EvaluationPlan& plan,
                          std::vector<AttackReport> attacks,
                          Warnings& warnings) {
  // The plan may name epsilons in any order.
  std::stable_sort(attacks.begin(), attacks.end(),
                   [](const AttackReport& a, const AttackReport& b) {
                     return std::pair(a.attack, a.epsilon) <
                            std::pair(b.attack, b.epsilon);
                   });
  for (size_t i = 1; i < attacks.size(); ++i) {
    const AttackReport& low = attacks[i - 1];
    const AttackReport& high = attacks[i];
    // Robust images are those that are right before and after.
    if (low.attack != high.attack ||
        high.overall.right_right <= low.overall.right_right) {
      continue;
    }
    warnings.push_back(absl::StrFormat(
        "%s: robust accuracy rises with epsilon, from %d right at %.4g to %d "
        "right at %.4g: a stronger attack would do better",
        NameIn(plan, low.attack), low.overall.right_right, low.epsilon,
        high.overall.right_right, high.epsilon));
  }
}

// The images that each attack left right at one epsilon.
struct AtEpsilon {
  const EvaluationPlan& plan;
  const EvaluationReport& report;
  size_t epsilon;

  const AttackReport& Of(size_t attack) const {
    return report.attacks[attack * plan.epsilons.size() + epsilon];
  }
  int64_t Right(size_t attack) const { return Of(attack).overall.right_right; }
};

// With more work and all else equal, an attack should leave no more images
// right.
void WarnOfMoreSteps(const AtEpsilon& at, Warnings& warnings) {
  const std::vector<AttackConfig>& attacks = at.plan.attacks;
  for (size_t less = 0; less < attacks.size(); ++less) {
    for (size_t more = 0; more < attacks.size(); ++more) {
      if (!IsMoreOf(attacks[more], attacks[less], at.Of(more).epsilon) ||
          at.Right(more) <= at.Right(less)) {
        continue;
      }
      warnings.push_back(absl::StrFormat(
          "%s: more work than %s leaves more images right at epsilon %.4g, %d "
          "and not %d: the attack does not converge",
          NameIn(at.plan, more), NameIn(at.plan, less), at.Of(more).epsilon,
          at.Right(more), at.Right(less)));
    }
  }
}

// An attack that looks at the network should do better than one that does not.
void WarnOfNoise(const AtEpsilon& at, Warnings& warnings) {
  const std::vector<AttackConfig>& attacks = at.plan.attacks;
  for (size_t noise = 0; noise < attacks.size(); ++noise) {
    // Only noise looks at no network.
    if (TraitsOf(attacks[noise]).access != Access::kNone) continue;
    for (size_t i = 0; i < attacks.size(); ++i) {
      if (TraitsOf(attacks[i]).access == Access::kNone ||
          at.Right(noise) >= at.Right(i)) {
        continue;
      }
      warnings.push_back(absl::StrFormat(
          "%s: random noise of the same size leaves fewer images right at "
          "epsilon %.4g, %d and not %d: gradients may be masked",
          NameIn(at.plan, i), at.Of(i).epsilon, at.Right(noise), at.Right(i)));
    }
  }
}

// Compares attacks that see no gradients with the best of those that do. An
// attack that sees less and does better is a sign of masked gradients.
void WarnOfWeakGradients(const AtEpsilon& at, Warnings& warnings) {
  const std::vector<AttackConfig>& attacks = at.plan.attacks;
  std::optional<size_t> best;
  for (size_t i = 0; i < attacks.size(); ++i) {
    if (TraitsOf(attacks[i]).access == Access::kGradients &&
        (!best || at.Right(i) < at.Right(*best))) {
      best = i;
    }
  }
  if (!best) return;
  for (size_t i = 0; i < attacks.size(); ++i) {
    const Access access = TraitsOf(attacks[i]).access;
    if ((access != Access::kScores && access != Access::kDecisions) ||
        at.Right(i) >= at.Right(*best)) {
      continue;
    }
    warnings.push_back(absl::StrFormat(
        "%s, which needs no gradients, leaves fewer images right than %s at "
        "epsilon %.4g, %d and not %d: gradients may be masked",
        NameIn(at.plan, i), NameIn(at.plan, *best), at.Of(i).epsilon,
        at.Right(i), at.Right(*best)));
  }
}

// Overall figures count images, so larger classes weigh more in them.
void WarnOfUnevenClasses(const EvaluationReport& report, Warnings& warnings) {
  int64_t fewest = report.samples, most = 0;
  for (const int64_t images : report.samples_per_class) {
    // A class without images is not part of the sample.
    if (images == 0) continue;
    fewest = std::min(fewest, images);
    most = std::max(most, images);
  }
  // A sample that does not divide leaves a difference of one.
  if (most - fewest > 1) {
    warnings.push_back(
        absl::StrCat("classes are not even: they have ", fewest, " to ", most,
                     " of the images, and overall figures weigh them so"));
  }
}

}  // namespace

std::vector<std::string> SettingWarnings(const EvaluationPlan& plan) {
  Warnings warnings;
  for (size_t i = 0; i < plan.attacks.size(); ++i) {
    WarnOfSetting(plan, plan.attacks[i], NameIn(plan, i), warnings);
  }
  WarnOfLevels(plan, warnings);
  return warnings;
}

std::vector<std::string> FindWarnings(const EvaluationPlan& plan,
                                      const EvaluationReport& report) {
  Warnings warnings = SettingWarnings(plan);
  WarnOfUnevenClasses(report, warnings);
  for (const AttackReport& attack : report.attacks) {
    WarnOfZeroGradients(plan, report.samples, attack, warnings);
  }
  // A targeted attack leads to its target and not away from the label, so its
  // robust accuracy may rise or fall.
  if (plan.goal.kind == Goal::Kind::kTargeted) return warnings;
  WarnOfRisingAccuracy(plan, report.attacks, warnings);
  for (size_t i = 0; i < plan.epsilons.size(); ++i) {
    const AtEpsilon at{plan, report, i};
    WarnOfMoreSteps(at, warnings);
    WarnOfNoise(at, warnings);
    WarnOfWeakGradients(at, warnings);
  }
  return warnings;
}

std::vector<std::string> FindUnchecked(const EvaluationPlan& plan) {
  if (plan.goal.kind == Goal::Kind::kTargeted) {
    return {"whether weaker attacks do better: needs an untargeted goal"};
  }
  const auto any = [&plan](const std::function<bool(Access)>& has) {
    return std::any_of(plan.attacks.begin(), plan.attacks.end(),
                       [&](const AttackConfig& config) {
                         return has(TraitsOf(config).access);
                       });
  };
  bool more = false;
  for (const AttackConfig& a : plan.attacks) {
    for (const AttackConfig& b : plan.attacks) {
      more = more || IsMoreOf(a, b, plan.epsilons.front());
    }
  }
  std::vector<std::string> unchecked;
  if (plan.epsilons.size() < 2) {
    unchecked.emplace_back("a larger epsilon: needs several epsilons");
  }
  if (!more) {
    unchecked.emplace_back(
        "more steps: needs an attack twice, with more steps");
  }
  if (!any([](Access access) { return access == Access::kNone; })) {
    unchecked.emplace_back(
        "noise of the same size: needs noise among the attacks");
  }
  if (!any([](Access access) { return access == Access::kGradients; }) ||
      !any([](Access access) {
        return access == Access::kScores || access == Access::kDecisions;
      })) {
    unchecked.emplace_back(
        "attacks without gradients: needs one, like square, beside one with");
  }
  return unchecked;
}

}  // namespace adv
