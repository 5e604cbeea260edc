#include "client/evaluations/evaluation_plan.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/attacks/attack_flags.h"
#include "client/attacks/attack_text.h"
#include "client/attacks/epsilon.h"
#include "client/attacks/norm.h"
#include "client/flag_errors.h"

namespace adv {
namespace {

// The model that is shown beside another one if nothing else is asked for.
constexpr char kBaseline[] = "balanced";

// The attacks as they were typed, or the default question. One wrong attack
// does not end the loop, so that the error tells all of them.
absl::StatusOr<std::vector<v1::Attack>> TypedAttacks(const EvaluateFlags& flags,
                                                     v1::Norm norm) {
  std::vector<std::string> names = flags.attacks;
  if (names.empty()) names = {"fgsm", "igsm"};
  std::vector<v1::Attack> attacks;
  absl::Status errors;
  for (const std::string& name : names) {
    auto attack = ParseAttack(name, norm);
    if (attack.ok()) {
      attacks.push_back(*std::move(attack));
    } else {
      errors = BothErrors(errors, FlagError("--attack", attack.status()));
    }
  }
  if (!errors.ok()) return errors;
  return attacks;
}

// Drops an attack that is the same as an earlier one.
std::vector<v1::Attack> EachOnce(const std::vector<v1::Attack>& all) {
  std::vector<v1::Attack> kept;
  for (const v1::Attack& one : all) {
    const bool known = std::any_of(
        kept.begin(), kept.end(),
        [&one](const v1::Attack& other) { return SameAttack(one, other); });
    if (!known) kept.push_back(one);
  }
  return kept;
}

// The attacks with --steps, --step-size and --thesis-mode applied.
absl::StatusOr<std::vector<v1::Attack>> PlannedAttacks(
    const EvaluateFlags& flags, v1::Norm norm) {
  auto typed = TypedAttacks(flags, norm);
  StepFlags step_flags;
  step_flags.steps = flags.steps;
  absl::Status errors = typed.status();
  if (!flags.step_size.empty()) {
    const auto size = ParseStepSize(flags.step_size, norm);
    if (size.ok()) {
      step_flags.step_size = *size;
    } else {
      errors = BothErrors(errors, FlagError("--step-size", size.status()));
    }
  }
  if (!errors.ok()) return errors;
  std::vector<v1::Attack> attacks = *std::move(typed);
  if (auto status = ApplySteps(step_flags, &attacks); !status.ok()) {
    return status;
  }
  // Repeats are dropped last, because the flags may make two attacks alike.
  if (!flags.thesis_mode) return EachOnce(attacks);
  for (v1::Attack& attack : attacks) {
    if (!attack.has_fgsm()) {
      return absl::InvalidArgumentError(
          "--thesis-mode: only fgsm has it; add --attack=fgsm");
    }
    attack.mutable_fgsm()->set_thesis_mode(true);
  }
  return EachOnce(attacks);
}

// What all specifications of the plan share.
absl::StatusOr<v1::EvaluationSpec> Base(const EvaluateFlags& flags,
                                        v1::Norm norm) {
  v1::EvaluationSpec spec;
  spec.set_dataset(flags.dataset);
  spec.set_samples(flags.samples);
  spec.set_seed(flags.seed);
  spec.set_eight_bit(flags.eight_bit);
  if (flags.precision == "fast") spec.set_precision(v1::PRECISION_FAST);
  spec.set_tile_size(flags.tile_size);
  spec.set_norm(norm);
  if (!flags.source_model.empty()) spec.set_source_model(flags.source_model);
  const auto success = ParseSuccess(flags.success);
  if (!success.ok()) return FlagError("--success", success.status());
  spec.set_success(*success);
  return spec;
}

// Attacks with one norm and one default epsilon.
struct Group {
  v1::Norm norm;
  v1::Epsilon epsilon;
};

bool SameGroup(const Group& a, const Group& b) {
  return a.norm == b.norm && EpsilonText(a.epsilon) == EpsilonText(b.epsilon);
}

// Makes one specification for all attacks with the same default epsilon, where
// no epsilon is given. Noise joins every specification, at its epsilon, because
// the other attacks are compared with noise.
absl::Status AddGroups(const v1::EvaluationSpec& base,
                       const std::vector<v1::Attack>& attacks,
                       std::vector<v1::EvaluationSpec>* specs) {
  const bool only_noise =
      std::all_of(attacks.begin(), attacks.end(),
                  [](const v1::Attack& one) { return one.has_noise(); });
  std::vector<Group> groups, wanted;  // wanted: by attack
  for (const v1::Attack& attack : attacks) {
    // Each attack has its own norm here: one that has L2 alone gets an
    // evaluation apart from the others.
    const auto norm = CommonNorm(base.norm(), {attack});
    if (!norm.ok()) return norm.status();
    wanted.push_back({*norm, DefaultEpsilon(attack, *norm)});
    // Noise makes no group of its own unless there is nothing that it could
    // join.
    if (attack.has_noise() && !only_noise) continue;
    const bool known = std::any_of(
        groups.begin(), groups.end(),
        [&](const Group& group) { return SameGroup(group, wanted.back()); });
    if (!known) groups.push_back(wanted.back());
  }
  for (const Group& group : groups) {
    v1::EvaluationSpec spec = base;
    for (std::size_t i = 0; i < attacks.size(); ++i) {
      if (attacks[i].has_noise() || SameGroup(group, wanted[i])) {
        *spec.add_attacks() = attacks[i];
      }
    }
    *spec.add_epsilons() = group.epsilon;
    specs->push_back(spec);
  }
  return absl::OkStatus();
}

absl::Status AddSpecs(const EvaluateFlags& flags,
                      const v1::EvaluationSpec& base,
                      const std::vector<v1::Attack>& attacks,
                      std::vector<v1::EvaluationSpec>* specs) {
  // Given epsilons are those of all attacks, so one specification is enough.
  if (flags.epsilons.empty()) return AddGroups(base, attacks, specs);
  const auto norm = CommonNorm(base.norm(), attacks);
  if (!norm.ok()) return norm.status();
  const auto epsilons = ParseEpsilons(flags.epsilons, *norm);
  if (!epsilons.ok()) return FlagError("--epsilon", epsilons.status());
  v1::EvaluationSpec spec = base;
  for (const v1::Attack& attack : attacks) *spec.add_attacks() = attack;
  for (const v1::Epsilon& epsilon : *epsilons) *spec.add_epsilons() = epsilon;
  specs->push_back(spec);
  return absl::OkStatus();
}

// What is wrong with the epsilons, for errors beside those of the attacks. If
// the norm is not given, it is not known, and L2 allows the most.
absl::Status CheckEpsilons(const std::string& text, v1::Norm norm) {
  if (text.empty()) return absl::OkStatus();
  return FlagError(
      "--epsilon",
      ParseEpsilons(text, norm == v1::NORM_UNSPECIFIED ? v1::NORM_L2 : norm)
          .status());
}

// Decides which model is shown beside the one that is measured.
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
  // Only the short question gets more of an answer than it asks for. It stays
  // short with other images, steps or rules. The help of --compare names the
  // flags that make it another question.
  const bool short_question = flags.attacks.empty() && flags.epsilons.empty() &&
                              flags.goal.empty() && flags.norm.empty() &&
                              flags.source_model.empty() && flags.save.empty();
  // The baseline beside itself, in whatever version, would tell nothing.
  const std::string name =
      flags.models.front().substr(0, flags.models.front().find('@'));
  if (!flags.no_compare && short_question && flags.models.size() == 1 &&
      name != kBaseline) {
    plan->compare = kBaseline;
  }
  return absl::OkStatus();
}

}  // namespace

void TakeLocalDataset(EvaluateFlags* flags, GlobalOptions* options) {
  const std::size_t equals = flags->dataset.find('=');
  // Without --local the whole text is a name for the server.
  if (!options->local || equals == std::string::npos) return;
  options->datasets.push_back(flags->dataset);
  flags->dataset.resize(equals);
}

v1::Epsilon DefaultEpsilon(const v1::Attack& attack, v1::Norm norm) {
  v1::Epsilon epsilon;
  if (norm == v1::NORM_L2) {
    epsilon.set_pixels(.5);
  } else if (attack.has_fgsm()) {
    epsilon.set_pixels(.01);
  } else {
    epsilon.set_levels(2);
  }
  return epsilon;
}

absl::StatusOr<EvaluationPlan> PlanEvaluations(const EvaluateFlags& flags) {
  EvaluationPlan plan;
  if (!flags.goal.empty()) {
    auto goal = ParseGoal(flags.goal);
    if (!goal.ok()) return FlagError("--goal", goal.status());
    plan.goal = *std::move(goal);
  }
  const auto norm = ParseNorm(flags.norm);
  if (!norm.ok()) return FlagError("--norm", norm.status());
  const auto attacks = PlannedAttacks(flags, *norm);
  // Attacks and epsilons are checked together, so that one try shows all
  // errors.
  if (!attacks.ok()) {
    return BothErrors(attacks.status(), CheckEpsilons(flags.epsilons, *norm));
  }
  const auto base = Base(flags, *norm);
  if (!base.ok()) return base.status();
  auto status = AddSpecs(flags, *base, *attacks, &plan.specs);
  if (status.ok()) status = Compare(flags, &plan);
  if (!status.ok()) return status;
  return plan;
}

}  // namespace adv
