#include "server/codec/codec_attack.h"

#include <ATen/ATen.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <variant>

#include "engine/attacks/attack_traits.h"
#include "engine/attacks/ball.h"
#include "server/codec/codec_images.h"

namespace adv {
namespace {

std::string Path(absl::string_view field, absl::string_view part) {
  return absl::StrCat(field, ".", part);
}

// The first of `attacks` that does not have `norm`; null if all have it.
const AttackConfig* Without(Norm norm,
                            const std::vector<AttackConfig>& attacks) {
  for (const AttackConfig& config : attacks) {
    if (!TraitsOf(config).HasNorm(norm)) return &config;
  }
  return nullptr;
}

// The names of the attacks that need no more of a model than `access`, for an
// error to list what would work.
std::vector<std::string> AttacksWithin(Access access) {
  std::vector<std::string> names;
  for (const AttackConfig& config : AllAttacks()) {
    if (TraitsOf(config).access <= access) names.push_back(AttackName(config));
  }
  return names;
}

}  // namespace

Norm DecodeNorm(v1::Norm norm, absl::string_view field,
                const std::vector<AttackConfig>& attacks,
                FieldViolations* violations) {
  // Proto enums are open: a newer client may send a number that is unknown
  // here.
  if (!v1::Norm_IsValid(norm)) {
    violations->Add(field, absl::StrCat("is ", static_cast<int>(norm),
                                        "; must be a value of adv.v1.Norm"));
    return Norm::kLinf;
  }
  const AttackConfig* const not_linf = Without(Norm::kLinf, attacks);
  const AttackConfig* const not_l2 = Without(Norm::kL2, attacks);
  // L-inf goes first as the default. It is an error only if each norm is
  // missing from at least one attack.
  if (norm == v1::NORM_UNSPECIFIED) {
    if (not_linf != nullptr && not_l2 != nullptr) {
      violations->Add(
          field,
          absl::StrCat("is not given, and no norm is one of ",
                       "all attacks: ", AttackName(*not_linf), " has NORM_L2",
                       " alone, ", AttackName(*not_l2), " NORM_LINF"));
    }
    return not_linf == nullptr ? Norm::kLinf : Norm::kL2;
  }
  const AttackConfig* const without = norm == v1::NORM_L2 ? not_l2 : not_linf;
  // NORM_L1 has a name in the protos, but no attack has it, so it is always
  // refused.
  if (norm != v1::NORM_L1 && without == nullptr) {
    return norm == v1::NORM_L2 ? Norm::kL2 : Norm::kLinf;
  }
  std::vector<std::string> allowed;
  if (not_linf == nullptr) allowed.emplace_back("NORM_LINF");
  if (not_l2 == nullptr) allowed.emplace_back("NORM_L2");
  violations->Add(
      field,
      absl::StrCat(
          "is ", v1::Norm_Name(norm), ", which ",
          norm == v1::NORM_L1 ? "no attack" : AttackName(*without),
          norm == v1::NORM_L1 ? " has; " : " does not have; ",
          allowed.empty() ? "the attacks have no norm in common" : "must be ",
          absl::StrJoin(allowed, " or ")));
  return Norm::kLinf;
}

v1::Norm EncodeNorm(Norm norm) {
  return norm == Norm::kLinf ? v1::NORM_LINF : v1::NORM_L2;
}

double DecodeEpsilon(const v1::Epsilon& epsilon, absl::string_view field,
                     Norm norm, int64_t values_per_image,
                     FieldViolations* violations) {
  // The diameter of the box [0, 1]^n in the norm: no change of an image is
  // larger.
  const double max = norm == Norm::kLinf
                         ? 1
                         : std::sqrt(static_cast<double>(values_per_image));
  return DecodeSize(epsilon, field, {max, true}, violations);
}

void CheckEightBit(const std::vector<AttackConfig>& attacks, Norm norm,
                   const std::vector<double>& epsilons, absl::string_view field,
                   FieldViolations* violations) {
  if (std::any_of(attacks.begin(), attacks.end(), [](const AttackConfig& one) {
        return TraitsOf(one).may_leave_box;
      })) {
    violations->Add(field,
                    "must be false with thesis_mode, whose images leave the "
                    "box, which bytes cannot");
  }
  for (double epsilon : epsilons) {
    // An epsilon of 0 is allowed. One that is negative or NaN already has a
    // violation.
    if (norm != Norm::kLinf || !(epsilon > 0) || LevelsWithin(epsilon) > 0) {
      continue;
    }
    violations->Add(field,
                    absl::StrCat("must be false with an epsilon of ", epsilon,
                                 "; the least change of a byte is ", "1/255"));
  }
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
      // An absent target_class reads as 0, which is a class. So presence is
      // asked, too.
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
    // An absent goal means untargeted. Written out, both forms give one id.
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
  // [M, 1]: the position of each image whose target is its label.
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
  // While it works, a transfer attack sees only the source, so it cannot stop
  // at the first image that fools the model.
  if (transfer) {
    violations->Add(field,
                    "is SUCCESS_RULE_ANY_ITERATE; must be "
                    "SUCCESS_RULE_LAST_ITERATE with a source_model of its own");
  }
  return SuccessRule::kAnyIterate;
}

Precision DecodePrecision(v1::Precision precision, absl::string_view field,
                          const Network& network, bool transfer,
                          FieldViolations* violations) {
  if (!v1::Precision_IsValid(precision)) {
    violations->Add(field,
                    absl::StrCat("is ", static_cast<int>(precision),
                                 "; must be a value of adv.v1.Precision"));
  }
  if (precision != v1::PRECISION_FAST) return Precision::kFloat32;
  if (transfer) {
    violations->Add(field,
                    "is PRECISION_FAST; must be PRECISION_FLOAT32 with a "
                    "source_model of its own");
  } else if (network.Fast() == nullptr) {
    violations->Add(field,
                    "is PRECISION_FAST; must be PRECISION_FLOAT32, since "
                    "nothing is faster for this model on this server (it would "
                    "be for the project's own networks on a CPU with "
                    "AVX512-BF16 or AMX)");
  }
  return Precision::kFast;
}

void CheckAttack(const AttackConfig& config, bool targeted, int64_t classes,
                 const AttackSource& source, absl::string_view goal_field,
                 FieldViolations* violations) {
  const AttackTraits traits = TraitsOf(config);
  // Access is ordered: each kind includes the kinds before it.
  if (traits.access > source.access) {
    violations->Add(
        source.field,
        absl::StrCat("gives ", AccessName(source.access), "; ",
                     AttackName(config), " needs ", AccessName(traits.access),
                     ", these do not: ",
                     absl::StrJoin(AttacksWithin(source.access), ", ")));
  }
  if (targeted && !traits.takes_targets) {
    violations->Add(goal_field,
                    absl::StrCat("is targeted, which ", AttackName(config),
                                 " cannot be; must be untargeted"));
  }
  if (classes < traits.min_classes) {
    violations->Add(
        "model", absl::StrCat("has ", classes, " classes; ", AttackName(config),
                              " needs ", traits.min_classes));
  }
}

v1::SuccessRule EncodeSuccess(SuccessRule rule) {
  return rule == SuccessRule::kAnyIterate ? v1::SUCCESS_RULE_ANY_ITERATE
                                          : v1::SUCCESS_RULE_LAST_ITERATE;
}

v1::Precision EncodePrecision(Precision precision) {
  return precision == Precision::kFast ? v1::PRECISION_FAST
                                       : v1::PRECISION_FLOAT32;
}

}  // namespace adv
