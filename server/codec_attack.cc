#include "server/codec_attack.h"

#include <ATen/ATen.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <algorithm>
#include <cmath>

#include "server/codec_images.h"

namespace adv {
namespace {

constexpr double kLevels = 255;

std::string Path(absl::string_view field, absl::string_view part) {
  return absl::StrCat(field, ".", part);
}

struct SizeRange {
  double max;  // in pixel units
  bool may_be_zero;
};

// A size in pixel units. NaN fails every comparison.
double DecodeSize(const v1::Epsilon& size, absl::string_view field,
                  SizeRange range, FieldViolations* violations) {
  const absl::string_view from =
      range.may_be_zero ? "0 to " : "above 0, up to ";
  const bool levels = size.unit_case() == v1::Epsilon::kLevels;
  const double value = levels ? size.levels() : size.pixels();
  const double max = levels ? range.max * kLevels : range.max;
  if (size.unit_case() == v1::Epsilon::UNIT_NOT_SET) {
    violations->Add(
        field, absl::StrCat("is not given; must be pixels, ", from, range.max,
                            ", or levels, ", from, range.max * kLevels));
  } else if (!(value <= max && (range.may_be_zero ? value >= 0 : value > 0))) {
    violations->Add(field, absl::StrCat("is ", value,
                                        levels ? " levels" : " in pixel units",
                                        "; must be ", from, max));
  }
  return levels ? value / kLevels : value;
}

int64_t MostSteps(const Limits& limits) {
  return std::min<int64_t>(limits.steps, kMaxSteps);
}

AttackConfig DecodeIgsm(const v1::Igsm& igsm, absl::string_view field,
                        const Limits& limits, FieldViolations* violations) {
  IgsmConfig config;
  if (igsm.has_step_size()) {
    config.step_size = DecodeSize(igsm.step_size(), Path(field, "step_size"),
                                  {1, false}, violations);
  }
  if (igsm.has_steps()) {
    const int64_t most = MostSteps(limits);
    if (igsm.steps() < 1 || igsm.steps() > most) {
      violations->Add(
          Path(field, "steps"),
          absl::StrCat("is ", igsm.steps(), "; must be 1 to ", most));
    }
    config.steps = igsm.steps();
  }
  return config;
}

// The family's name on the wire: "pgd".
std::string FamilyName(const v1::Attack& attack) {
  return v1::Attack::descriptor()
      ->FindFieldByNumber(static_cast<int>(attack.kind_case()))
      ->name();
}

bool HasNorm(const AttackConfig& config, Norm norm) {
  const auto attack = MakeAttack(config);
  return !attack.ok() || (*attack)->HasNorm(norm);  // reported already
}

}  // namespace

std::vector<std::string> ImplementedAttacks() {
  return {AttackName(FgsmConfig()), AttackName(IgsmConfig())};
}

AttackConfig DecodeAttack(const v1::Attack& attack, absl::string_view field,
                          const Limits& limits, FieldViolations* violations) {
  switch (attack.kind_case()) {
    case v1::Attack::kFgsm:
      return FgsmConfig{attack.fgsm().thesis_mode()};
    case v1::Attack::kIgsm:
      return DecodeIgsm(attack.igsm(), Path(field, "igsm"), limits, violations);
    case v1::Attack::KIND_NOT_SET:
      violations->Add(field,
                      absl::StrCat("is not given; must be one of ",
                                   absl::StrJoin(ImplementedAttacks(), ", ")));
      return FgsmConfig();
    default:
      violations->AddUnimplemented(
          field, absl::StrCat(FamilyName(attack),
                              " is not implemented by this server, which has ",
                              absl::StrJoin(ImplementedAttacks(), ", ")));
      return FgsmConfig();
  }
}

void CheckSteps(const AttackConfig& config, absl::string_view field,
                const std::vector<double>& epsilons, const Limits& limits,
                FieldViolations* violations) {
  const auto* igsm = std::get_if<IgsmConfig>(&config);
  if (igsm == nullptr || igsm->steps) return;
  for (const double epsilon : epsilons) {
    if (!(epsilon >= 0 && epsilon <= 1)) continue;
    const int64_t steps = IgsmSteps(*igsm, epsilon);
    if (steps <= MostSteps(limits)) continue;
    violations->Add(
        Path(field, "igsm.steps"),
        absl::StrCat("is not given, and would be ", steps, " at epsilon ",
                     epsilon, "; must be 1 to ", MostSteps(limits)));
    return;
  }
}

v1::Attack EncodeAttack(const AttackConfig& config,
                        std::optional<double> epsilon) {
  v1::Attack attack;
  if (const auto* fgsm = std::get_if<FgsmConfig>(&config)) {
    attack.mutable_fgsm()->set_thesis_mode(fgsm->thesis_mode);
  } else if (const auto* igsm = std::get_if<IgsmConfig>(&config)) {
    v1::Igsm* message = attack.mutable_igsm();
    *message->mutable_step_size() = EncodeEpsilon(igsm->step_size);
    if (epsilon) {
      message->set_steps(static_cast<uint32_t>(IgsmSteps(*igsm, *epsilon)));
    } else if (igsm->steps) {
      message->set_steps(static_cast<uint32_t>(*igsm->steps));
    }
  }
  return attack;
}

Norm DecodeNorm(v1::Norm norm, absl::string_view field,
                const std::vector<AttackConfig>& attacks,
                FieldViolations* violations) {
  if (!v1::Norm_IsValid(norm)) {
    violations->Add(field, absl::StrCat("is ", static_cast<int>(norm),
                                        "; must be a value of adv.v1.Norm"));
    return Norm::kLinf;
  }
  if (norm == v1::NORM_UNSPECIFIED) return Norm::kLinf;
  const Norm decoded = norm == v1::NORM_LINF ? Norm::kLinf : Norm::kL2;
  for (const AttackConfig& attack : attacks) {
    if (norm != v1::NORM_L1 && HasNorm(attack, decoded)) continue;
    violations->Add(field,
                    absl::StrCat(v1::Norm_Name(norm), " is not a norm ", "of ",
                                 AttackName(attack), "; must be NORM_LINF"));
    return Norm::kLinf;
  }
  return decoded;
}

v1::Norm EncodeNorm(Norm norm) {
  return norm == Norm::kLinf ? v1::NORM_LINF : v1::NORM_L2;
}

double DecodeEpsilon(const v1::Epsilon& epsilon, absl::string_view field,
                     Norm norm, int64_t values_per_image,
                     FieldViolations* violations) {
  const double max = norm == Norm::kLinf
                         ? 1
                         : std::sqrt(static_cast<double>(values_per_image));
  return DecodeSize(epsilon, field, {max, true}, violations);
}

v1::Epsilon EncodeEpsilon(double pixels) {
  v1::Epsilon epsilon;
  epsilon.set_pixels(pixels);
  return epsilon;
}

Goal DecodeGoal(const v1::Goal& goal, absl::string_view field, int64_t classes,
                FieldViolations* violations) {
  Goal decoded;
  if (!goal.has_targeted()) return decoded;
  decoded.kind = Goal::Kind::kTargeted;
  const v1::TargetedGoal& targeted = goal.targeted();
  switch (targeted.rule()) {
    case v1::TARGET_RULE_UNSPECIFIED:
    case v1::TARGET_RULE_FIXED:
      decoded.target_class = targeted.target_class();
      if (!targeted.has_target_class() || decoded.target_class < 0 ||
          decoded.target_class >= classes) {
        violations->Add(
            Path(field, "targeted.target_class"),
            absl::StrCat(targeted.has_target_class()
                             ? absl::StrCat("is ", decoded.target_class)
                             : "is not given",
                         "; must be 0 to ", classes - 1));
      }
      return decoded;
    case v1::TARGET_RULE_LEAST_LIKELY:
      decoded.rule = Goal::TargetRule::kLeastLikely;
      return decoded;
    case v1::TARGET_RULE_NEXT:
      decoded.rule = Goal::TargetRule::kNext;
      return decoded;
    case v1::TARGET_RULE_RANDOM:
      decoded.rule = Goal::TargetRule::kRandom;
      return decoded;
    case v1::TARGET_RULE_PER_IMAGE:
      violations->Add(Path(field, "targeted.rule"),
                      "is TARGET_RULE_PER_IMAGE, which GenerateAdversarial "
                      "alone takes");
      return decoded;
    default:
      violations->Add(Path(field, "targeted.rule"),
                      absl::StrCat("is ", static_cast<int>(targeted.rule()),
                                   "; must be a value of adv.v1.TargetRule"));
      return decoded;
  }
}

v1::Goal EncodeGoal(const Goal& goal) {
  v1::Goal message;
  if (goal.kind == Goal::Kind::kUntargeted) {
    message.mutable_untargeted();
    return message;
  }
  v1::TargetedGoal* targeted = message.mutable_targeted();
  switch (goal.rule) {
    case Goal::TargetRule::kFixed:
      targeted->set_rule(v1::TARGET_RULE_FIXED);
      targeted->set_target_class(static_cast<int32_t>(goal.target_class));
      break;
    case Goal::TargetRule::kLeastLikely:
      targeted->set_rule(v1::TARGET_RULE_LEAST_LIKELY);
      break;
    case Goal::TargetRule::kNext:
      targeted->set_rule(v1::TARGET_RULE_NEXT);
      break;
    case Goal::TargetRule::kRandom:
      targeted->set_rule(v1::TARGET_RULE_RANDOM);
      break;
  }
  return message;
}

bool IsPerImage(const v1::Goal& goal) {
  return goal.has_targeted() &&
         goal.targeted().rule() == v1::TARGET_RULE_PER_IMAGE;
}

at::Tensor DecodeTargets(const v1::Goal& goal, absl::string_view field,
                         int64_t count, int64_t classes,
                         FieldViolations* violations) {
  return DecodeLabels(goal.targeted().target_classes(),
                      Path(field, "targeted.target_classes"), count, classes,
                      violations);
}

void CheckTargets(const at::Tensor& targets, const at::Tensor& labels,
                  absl::string_view field, FieldViolations* violations) {
  if (!targets.defined() || !labels.defined()) return;
  const at::Tensor same = targets.eq(labels).nonzero();
  for (int64_t i = 0; i < same.size(0); ++i) {
    const int64_t image = same[i].item<int64_t>();
    violations->Add(
        field,
        absl::StrCat("is ", targets[image].item<int64_t>(), " for image ",
                     image, ", which is its label; must be another class"));
  }
}

SuccessRule DecodeSuccess(v1::SuccessRule rule, absl::string_view field,
                          bool transfer, FieldViolations* violations) {
  if (!v1::SuccessRule_IsValid(rule)) {
    violations->Add(field,
                    absl::StrCat("is ", static_cast<int>(rule),
                                 "; must be a value of adv.v1.SuccessRule"));
  }
  if (rule != v1::SUCCESS_RULE_ANY_ITERATE) return SuccessRule::kLastIterate;
  if (transfer) {
    violations->Add(field,
                    "is SUCCESS_RULE_ANY_ITERATE; must be "
                    "SUCCESS_RULE_LAST_ITERATE with a source_model of its own");
  }
  return SuccessRule::kAnyIterate;
}

v1::SuccessRule EncodeSuccess(SuccessRule rule) {
  return rule == SuccessRule::kAnyIterate ? v1::SUCCESS_RULE_ANY_ITERATE
                                          : v1::SUCCESS_RULE_LAST_ITERATE;
}

}  // namespace adv
