#ifndef ADV_CLIENT_ATTACK_FLAGS_H_
#define ADV_CLIENT_ATTACK_FLAGS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adv/v1/attack.pb.h"

namespace adv {

// What is known of an attack without asking a server.
struct AttackDescription {
  std::string name;   // as typed: "mi-fgsm"
  std::string title;  // for tables: "MI-FGSM"
  std::string about;  // one line with the paper
};

// Every attack of the protocol, in its order; a server runs some of them.
const std::vector<AttackDescription>& KnownAttacks();

// Reads an attack's name; parameters stay at their defaults.
absl::StatusOr<v1::Attack> ParseAttack(const std::string& name);

// Steps and step size as typed, for the attacks that have them.
struct StepFlags {
  std::optional<std::uint32_t> steps;
  std::optional<v1::Epsilon> step_size;
};

// Sets them on each attack that has such a parameter. An error if one of them
// is given and no attack has it.
absl::Status ApplySteps(const StepFlags& flags,
                        std::vector<v1::Attack>* attacks);

// "fgsm"; empty if no attack is set.
std::string AttackName(const v1::Attack& attack);

// "FGSM".
std::string AttackTitle(const v1::Attack& attack);

// "3 steps of 1/255", "thesis mode"; empty if there is nothing to say.
std::string AttackParameters(const v1::Attack& attack);

}  // namespace adv

#endif  // ADV_CLIENT_ATTACK_FLAGS_H_
