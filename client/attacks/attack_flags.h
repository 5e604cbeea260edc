#ifndef ADV_CLIENT_ATTACKS_ATTACK_FLAGS_H_
#define ADV_CLIENT_ATTACKS_ATTACK_FLAGS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adv/v1/attack.pb.h"
#include "engine/attacks/attack_config.h"

namespace adv {

// The attack of this name or alias, with every parameter that the alias does
// not set at its default. An error lists the names.
absl::StatusOr<v1::Attack> FindAttack(const std::string& name);

// Reads NAME or NAME:PARAMETER=VALUE:PARAMETER=VALUE, for example
// "pgd:steps=20:restarts=5". `norm` says how large a size may be. The error has
// a line for each wrong parameter, which names it, and what the attack has or
// what is allowed.
absl::StatusOr<v1::Attack> ParseAttack(const std::string& text,
                                       v1::Norm norm = v1::NORM_LINF);

// The most steps that any server allows, whatever the limit of the one that is
// asked (its --max-steps).
inline constexpr std::uint32_t kMostSteps = kMaxSteps;

// Steps and step size as typed, for the attacks that have them.
struct StepFlags {
  std::optional<std::uint32_t> steps;
  std::optional<v1::Epsilon> step_size;
};

// Sets them on each attack that has such a parameter and was not given its own.
// An error if one of them is given and no attack takes it.
absl::Status ApplySteps(const StepFlags& flags,
                        std::vector<v1::Attack>* attacks);

}  // namespace adv

#endif  // ADV_CLIENT_ATTACKS_ATTACK_FLAGS_H_
