#ifndef ADV_ENGINE_ATTACKS_AUTO_ATTACK_H_
#define ADV_ENGINE_ATTACKS_AUTO_ATTACK_H_

#include <absl/status/statusor.h>

#include <memory>
#include <vector>

#include "engine/attacks/attack.h"

namespace adv {

// AutoAttack (Croce and Hein, arXiv 2003.01690). It runs its members in order.
// At each epsilon, each member attacks the images that are still under attack:
// those for which neither the clean image nor an earlier member's fooled the
// target. If all members fail on an image, the one with the largest loss
// counts. AttackResult::member says which member made the image, and costs are
// those of all members. Every member draws from the run's seed as if it were
// run alone.
//
// A member that ignores epsilon (AttackTraits) runs once, for the images that
// are under attack at any epsilon. An image is charged with it at the first of
// these epsilons.
//
// `traits` are TraitsOf its config, and `members` are those of the config, in
// order and at least one. INVALID_ARGUMENT if the members have no norm in
// common.
absl::StatusOr<std::unique_ptr<const Attack>> MakeAutoAttack(
    const AttackTraits& traits,
    std::vector<std::unique_ptr<const Attack>> members);

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_AUTO_ATTACK_H_
