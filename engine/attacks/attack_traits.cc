#include "engine/attacks/attack_traits.h"

#include <algorithm>
#include <variant>

namespace adv {
namespace {

AttackTraits LinfAlone() {
  AttackTraits traits;
  traits.l2 = false;
  return traits;
}

AttackTraits Minimising() {
  AttackTraits traits;
  traits.minimises = true;
  traits.ignores_epsilon = true;
  return traits;
}

AttackTraits ByDecisions() {
  AttackTraits traits = Minimising();
  traits.access = Access::kDecisions;
  traits.starts_at_examples = true;
  return traits;
}

AttackTraits Of(const FgsmConfig& config) {
  AttackTraits traits = LinfAlone();
  traits.may_leave_box = config.thesis_mode;
  return traits;
}
AttackTraits Of(const IgsmConfig&) { return LinfAlone(); }
AttackTraits Of(const IterativeLeastLikelyConfig&) {
  AttackTraits traits = LinfAlone();
  // It leads to the least likely class and to no other.
  traits.takes_targets = false;
  return traits;
}
AttackTraits Of(const PgdConfig&) { return {}; }
AttackTraits Of(const MiFgsmConfig&) { return LinfAlone(); }
AttackTraits Of(const ApgdConfig& config) {
  AttackTraits traits;
  traits.epsilons_apart = true;
  // Plain DLR has no target in it.
  traits.takes_targets = config.loss != ApgdConfig::Loss::kDlr;
  // DLR reads the third largest logit, and targeted DLR the fourth, too.
  switch (config.loss) {
    case ApgdConfig::Loss::kCrossEntropy:
      break;
    case ApgdConfig::Loss::kDlr:
      traits.min_classes = 3;
      break;
    case ApgdConfig::Loss::kTargetedDlr:
      traits.min_classes = 4;
      break;
  }
  return traits;
}
AttackTraits Of(const DeepFoolConfig&) { return Minimising(); }
AttackTraits Of(const CarliniWagnerConfig&) {
  AttackTraits traits = Minimising();
  traits.linf = false;
  return traits;
}
AttackTraits Of(const FabConfig& config) {
  AttackTraits traits = Minimising();
  // A random start is no farther away than half the largest epsilon.
  traits.ignores_epsilon = config.restarts == 1;
  return traits;
}
AttackTraits Of(const SquareConfig&) {
  AttackTraits traits;
  traits.access = Access::kScores;
  traits.epsilons_apart = true;
  return traits;
}
AttackTraits Of(const HopSkipJumpConfig&) { return ByDecisions(); }
AttackTraits Of(const BoundaryConfig&) {
  AttackTraits traits = ByDecisions();
  traits.linf = false;
  return traits;
}
AttackTraits Of(const NoiseConfig&) {
  AttackTraits traits;
  traits.access = Access::kNone;
  traits.epsilons_apart = true;
  return traits;
}
AttackTraits Of(const AutoAttackConfig& config) {
  // Starts at the least that an attack may ask; members raise it.
  AttackTraits all;
  all.access = Access::kNone;
  for (const AnyAttack& member : MembersOf(config)) {
    const AttackTraits one = TraitsOf(member.config);
    all.linf &= one.linf;
    all.l2 &= one.l2;
    all.access = std::max(all.access, one.access);
    all.takes_targets &= one.takes_targets;
    all.min_classes = std::max(all.min_classes, one.min_classes);
    all.starts_at_examples |= one.starts_at_examples;
    all.may_leave_box |= one.may_leave_box;
  }
  return all;
}

}  // namespace

AttackTraits TraitsOf(const AttackConfig& config) {
  return std::visit([](const auto& one) { return Of(one); }, config);
}

AttackConfig Within(Access access, const AttackConfig& config) {
  const auto* const ensemble = std::get_if<AutoAttackConfig>(&config);
  // Members that someone chose are not left out silently.
  if (ensemble == nullptr || !ensemble->members.empty()) return config;
  AutoAttackConfig part;
  bool whole = true;
  for (const AnyAttack& member : MembersOf(*ensemble)) {
    if (TraitsOf(member.config).access <= access) {
      part.members.push_back(member);
    } else {
      whole = false;
    }
  }
  // A whole ensemble needs no list, and one without members would be the
  // standard one, too.
  return whole || part.members.empty() ? config : AttackConfig(part);
}

}  // namespace adv
