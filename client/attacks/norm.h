#ifndef ADV_CLIENT_ATTACKS_NORM_H_
#define ADV_CLIENT_ATTACKS_NORM_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "adv/v1/attack.pb.h"

namespace adv {

// Reads "linf" or "l2"; empty is NORM_UNSPECIFIED, the server's choice.
absl::StatusOr<v1::Norm> ParseNorm(const std::string& text);

// As typed: "linf"; "default" for NORM_UNSPECIFIED.
std::string NormName(v1::Norm norm);

// For people: "L-inf", "L2".
std::string NormTitle(v1::Norm norm);

// "linf, l2".
std::string NormsText(const std::vector<v1::Norm>& norms);

// The norms that the attack has; of an AutoAttack those that all members have.
std::vector<v1::Norm> NormsOf(const v1::Attack& attack);

// The norm that the server takes for these attacks together: `norm`, or if it
// is not given the first that all of them have. An error names the attacks
// that do not go together, or the one that does not have the norm.
absl::StatusOr<v1::Norm> CommonNorm(v1::Norm norm,
                                    const std::vector<v1::Attack>& attacks);

}  // namespace adv

#endif  // ADV_CLIENT_ATTACKS_NORM_H_
