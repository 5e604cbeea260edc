#include "engine/attacks/make_attack.h"

#include <utility>
#include <variant>
#include <vector>

#include "engine/attacks/apgd.h"
#include "engine/attacks/attack_traits.h"
#include "engine/attacks/auto_attack.h"
#include "engine/attacks/boundary.h"
#include "engine/attacks/carlini_wagner.h"
#include "engine/attacks/deep_fool.h"
#include "engine/attacks/fab.h"
#include "engine/attacks/gradient_steps.h"
#include "engine/attacks/hop_skip_jump.h"
#include "engine/attacks/noise.h"
#include "engine/attacks/square.h"

namespace adv {
namespace {

using Made = absl::StatusOr<std::unique_ptr<const Attack>>;

Made Make(const FgsmConfig& config) { return MakeFgsm(config); }
Made Make(const IgsmConfig& config) { return MakeIgsm(config); }
Made Make(const IterativeLeastLikelyConfig& config) {
  return MakeIterativeLeastLikely(config);
}
Made Make(const PgdConfig& config) { return MakePgd(config); }
Made Make(const MiFgsmConfig& config) { return MakeMiFgsm(config); }
Made Make(const ApgdConfig& config) { return MakeApgd(config); }
Made Make(const AutoAttackConfig& config) {
  std::vector<std::unique_ptr<const Attack>> members;
  for (const AnyAttack& member : MembersOf(config)) {
    // No deeper than this: Validate refuses an AutoAttack as a member.
    Made made = MakeAttack(member.config);
    if (!made.ok()) return made.status();
    members.push_back(*std::move(made));
  }
  return MakeAutoAttack(TraitsOf(config), std::move(members));
}
Made Make(const NoiseConfig& config) { return MakeNoise(config); }
Made Make(const DeepFoolConfig& config) { return MakeDeepFool(config); }
Made Make(const CarliniWagnerConfig& config) {
  return MakeCarliniWagner(config);
}
Made Make(const FabConfig& config) { return MakeFab(config); }
Made Make(const SquareConfig& config) { return MakeSquare(config); }
Made Make(const HopSkipJumpConfig& config) { return MakeHopSkipJump(config); }
Made Make(const BoundaryConfig& config) { return MakeBoundary(config); }

}  // namespace

absl::StatusOr<std::unique_ptr<const Attack>> MakeAttack(
    const AttackConfig& config) {
  if (absl::Status status = Validate(config); !status.ok()) return status;
  return std::visit([](const auto& one) { return Make(one); }, config);
}

}  // namespace adv
