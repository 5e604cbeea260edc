#include "client/evaluation_plan.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/attack_flags.h"
#include "client/epsilon.h"

namespace adv {
namespace {

constexpr char kBaseline[] = "balanced";

absl::Status Wrong(const char* flag, const absl::Status& status) {
  return absl::InvalidArgumentError(absl::StrCat(flag, ": ", status.message()));
}

// The thesis attacks with FGSM at .01; the iterative attacks need less.
v1::Epsilon DefaultEpsilon(const v1::Attack& attack) {
  v1::Epsilon epsilon;
  if (attack.has_fgsm()) {
    epsilon.set_pixels(.01);
  } else {
    epsilon.set_levels(2);
  }
  return epsilon;
}

absl::StatusOr<std::vector<v1::Attack>> Attacks(const EvaluateFlags& flags) {
  std::vector<std::string> names = flags.attacks;
  if (names.empty()) names = {"fgsm", "igsm"};
  std::vector<v1::Attack> attacks;
  for (const std::string& name : names) {
    auto attack = ParseAttack(name);
    if (!attack.ok()) return Wrong("--attack", attack.status());
    attacks.push_back(*std::move(attack));
  }
  StepFlags step_flags;
  step_flags.steps = flags.steps;
  if (!flags.step_size.empty()) {
    const auto size = ParseEpsilon(flags.step_size);
    if (!size.ok()) return Wrong("--step-size", size.status());
    step_flags.step_size = *size;
  }
  if (auto status = ApplySteps(step_flags, &attacks); !status.ok()) {
    return status;
  }
  if (!flags.thesis_mode) return attacks;
  for (v1::Attack& attack : attacks) {
    if (!attack.has_fgsm()) {
      return absl::InvalidArgumentError(
          "--thesis-mode: only fgsm has it; add --attack=fgsm");
    }
    attack.mutable_fgsm()->set_thesis_mode(true);
  }
  return attacks;
}

absl::StatusOr<v1::EvaluationSpec> Base(const EvaluateFlags& flags) {
  v1::EvaluationSpec spec;
  spec.set_dataset(flags.dataset);
  spec.set_samples(flags.samples);
  spec.set_seed(flags.seed);
  spec.set_eight_bit(flags.eight_bit);
  spec.set_tile_size(flags.tile_size);
  spec.set_norm(v1::NORM_LINF);
  if (!flags.source_model.empty()) spec.set_source_model(flags.source_model);
  if (flags.success == "any") {
    spec.set_success(v1::SUCCESS_RULE_ANY_ITERATE);
  } else if (flags.success == "last" || flags.success.empty()) {
    spec.set_success(v1::SUCCESS_RULE_LAST_ITERATE);
  } else {
    return absl::InvalidArgumentError(
        absl::StrCat("--success: '", flags.success,
                     "' is not a rule; allowed are last and any"));
  }
  return spec;
}

absl::Status AddSpecs(const EvaluateFlags& flags,
                      const v1::EvaluationSpec& base,
                      const std::vector<v1::Attack>& attacks,
                      std::vector<v1::EvaluationSpec>* specs) {
  if (flags.epsilons.empty()) {
    for (const v1::Attack& attack : attacks) {
      v1::EvaluationSpec spec = base;
      *spec.add_attacks() = attack;
      *spec.add_epsilons() = DefaultEpsilon(attack);
      specs->push_back(spec);
    }
    return absl::OkStatus();
  }
  const auto epsilons = ParseEpsilons(flags.epsilons);
  if (!epsilons.ok()) return Wrong("--epsilon", epsilons.status());
  v1::EvaluationSpec spec = base;
  for (const v1::Attack& attack : attacks) *spec.add_attacks() = attack;
  for (const v1::Epsilon& epsilon : *epsilons) *spec.add_epsilons() = epsilon;
  specs->push_back(spec);
  return absl::OkStatus();
}

absl::Status Compare(const EvaluateFlags& flags, EvaluationPlan* plan) {
  if (!flags.compare.empty()) {
    if (flags.no_compare) {
      return absl::InvalidArgumentError(
          "--compare and --no-compare: give one of them");
    }
    if (flags.models.size() != 1) {
      return absl::InvalidArgumentError(
          "--compare: stands beside one --model; several models are compared "
          "anyway");
    }
    plan->compare = flags.compare;
    plan->compare_required = true;
    return absl::OkStatus();
  }
  // Only the short question is answered with more than was asked.
  const bool short_question = flags.attacks.empty() && flags.epsilons.empty() &&
                              flags.goal.empty() && flags.source_model.empty();
  const std::string name =
      flags.models.front().substr(0, flags.models.front().find('@'));
  if (!flags.no_compare && short_question && flags.models.size() == 1 &&
      name != kBaseline) {
    plan->compare = kBaseline;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<EvaluationPlan> PlanEvaluations(const EvaluateFlags& flags) {
  EvaluationPlan plan;
  if (!flags.goal.empty()) {
    auto goal = ParseGoal(flags.goal);
    if (!goal.ok()) return Wrong("--goal", goal.status());
    plan.goal = *std::move(goal);
  }
  const auto attacks = Attacks(flags);
  if (!attacks.ok()) return attacks.status();
  const auto base = Base(flags);
  if (!base.ok()) return base.status();
  auto status = AddSpecs(flags, *base, *attacks, &plan.specs);
  if (status.ok()) status = Compare(flags, &plan);
  if (!status.ok()) return status;
  return plan;
}

}  // namespace adv
