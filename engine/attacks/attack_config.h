#ifndef ADV_ENGINE_ATTACKS_ATTACK_CONFIG_H_
#define ADV_ENGINE_ATTACKS_ATTACK_CONFIG_H_

#include <absl/status/status.h>

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

namespace adv {

// Fast gradient sign method (Goodfellow et al., arXiv 1412.6572):
// x' = clip(x + epsilon sign(gradient)), sign(0) = 0.
struct FgsmConfig {
  // The thesis's arithmetic, to reproduce its numbers: sign(0) = +1 and no
  // clipping to the box. The only setting under which images may leave the
  // box; reports name it.
  bool thesis_mode = false;
};

// Iterative gradient sign / basic iterative method (Kurakin et al.,
// arXiv 1607.02533).
struct IgsmConfig {
  // Change of each pixel and step, in (0, 1].
  double step_size = 1.0 / 255;
  // [1, kMaxSteps]. Unset: Kurakin's rule, min(e + 4, 1.25 e) rounded up and
  // at least 1, with e = 255 epsilon.
  std::optional<int64_t> steps;
};

inline constexpr int64_t kMaxSteps = 10000;

// Mirrors the oneof of adv.v1.Attack.
using AttackConfig = std::variant<FgsmConfig, IgsmConfig>;

// "fgsm", "igsm".
std::string AttackName(const AttackConfig& config);

// INVALID_ARGUMENT with every violation, each naming field, value and range.
absl::Status Validate(const AttackConfig& config);

// The steps an IgsmConfig takes at `epsilon`, at least 1.
int64_t IgsmSteps(const IgsmConfig& config, double epsilon);

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_ATTACK_CONFIG_H_
