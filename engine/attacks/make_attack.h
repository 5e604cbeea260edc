#ifndef ADV_ENGINE_ATTACKS_MAKE_ATTACK_H_
#define ADV_ENGINE_ATTACKS_MAKE_ATTACK_H_

#include <absl/status/statusor.h>

#include <memory>

#include "engine/attacks/attack.h"
#include "engine/attacks/attack_config.h"

namespace adv {

// The single switch from a config to its attack. INVALID_ARGUMENT if the config
// is not valid.
absl::StatusOr<std::unique_ptr<const Attack>> MakeAttack(
    const AttackConfig& config);

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_MAKE_ATTACK_H_
