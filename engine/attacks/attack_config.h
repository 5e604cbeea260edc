#ifndef ADV_ENGINE_ATTACKS_ATTACK_CONFIG_H_
#define ADV_ENGINE_ATTACKS_ATTACK_CONFIG_H_

#include <absl/status/status.h>

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace adv {

inline constexpr int64_t kMaxSteps = 10000;
inline constexpr int64_t kMaxRestarts = 100;
inline constexpr int64_t kMaxQueries = 100000;
inline constexpr int64_t kMaxTargetClasses = 1000;
// Far beyond what is of use (an image of a million values has a diagonal of
// 1000), and far from where float32 ends.
inline constexpr double kMaxStepSize = 1000;
inline constexpr double kMaxLearningRate = 1000;
inline constexpr double kMaxInitialConstant = 1e10;
inline constexpr double kMaxConfidence = 1e6;
inline constexpr double kMaxEta = 10;

// Fast gradient sign method (Goodfellow et al., arXiv 1412.6572):
// x' = clip(x + epsilon sign(gradient)), sign(0) = 0. L-inf; gradients.
struct FgsmConfig {
  // The thesis's arithmetic, to reproduce its numbers: sign(0) = +1 and no
  // clipping to the box. The only setting under which images may leave the
  // box; reports name it.
  bool thesis_mode = false;
};

// Iterative gradient sign / basic iterative method (Kurakin et al.,
// arXiv 1607.02533). L-inf; gradients.
struct IgsmConfig {
  // Change of each pixel and step, in (0, 1].
  double step_size = 1.0 / 255;
  // [1, kMaxSteps]. Unset: Kurakin's rule, min(e + 4, 1.25 e) rounded up and
  // at least 1, with e = 255 epsilon.
  std::optional<int64_t> steps;
};

// IGSM that descends toward the class with the smallest logit on the clean
// image (Kurakin et al., arXiv 1607.02533), whatever the goal; takes no other
// target. L-inf; gradients.
struct IterativeLeastLikelyConfig {
  double step_size = 1.0 / 255;  // as IgsmConfig
  std::optional<int64_t> steps;  // as IgsmConfig
};

// Projected gradient descent (Madry et al., arXiv 1706.06083). L-inf: steps
// along the sign; L2: along the gradient made a unit vector. Both gradients.
struct PgdConfig {
  // Length of a step in the norm, (0, kMaxStepSize]; unset: epsilon / 4.
  std::optional<double> step_size;
  int64_t steps = 40;    // [1, kMaxSteps]
  int64_t restarts = 1;  // [1, kMaxRestarts]; each image's worst result counts
  // Start uniformly in the ball (L2: in its volume), clipped to the box.
  bool random_start = true;
};

// Momentum iterative FGSM (Dong et al., arXiv 1710.06081):
// g <- momentum g + gradient / max(mean |gradient|, 1e-12),
// x <- x + step_size sign(g). L-inf; gradients.
struct MiFgsmConfig {
  // (0, kMaxStepSize]; unset: epsilon / steps.
  std::optional<double> step_size;
  int64_t steps = 10;   // [1, kMaxSteps]
  double momentum = 1;  // [0, 10]
};

// Auto-PGD (Croce and Hein, arXiv 2003.01690). L-inf, L2; gradients.
struct ApgdConfig {
  enum class Loss {
    kCrossEntropy,  // through L, which has the same maxima
    kDlr,           // needs 3 classes
    kTargetedDlr,   // one run for each target class; needs 4 classes
  };
  Loss loss = Loss::kCrossEntropy;
  int64_t steps = 100;   // [1, kMaxSteps]
  int64_t restarts = 1;  // [1, kMaxRestarts]
  // kTargetedDlr without targets of the caller's: the other classes with the
  // largest clean logits, best first; all of them if there are fewer.
  int64_t target_classes = 9;  // [1, kMaxTargetClasses]
};

// DeepFool (Moosavi-Dezfooli et al., arXiv 1511.04599). L2, L-inf; gradients;
// minimising.
struct DeepFoolConfig {
  int64_t steps = 50;       // [1, kMaxSteps]
  double overshoot = 0.02;  // of the accumulated perturbation, [0, 1]
};

// Carlini and Wagner's L2 attack (arXiv 1608.04644). L2; gradients; minimising.
struct CarliniWagnerConfig {
  double learning_rate = 0.01;      // Adam's, (0, kMaxLearningRate]
  int64_t binary_search_steps = 9;  // over the constant c, [1, 20]
  double initial_constant = 1e-3;   // (0, kMaxInitialConstant]
  int64_t steps = 1000;             // Adam steps a search, [1, kMaxSteps]
  double confidence = 0;            // kappa, [0, kMaxConfidence]
};

// Fast adaptive boundary (Croce and Hein, arXiv 1907.02044). L-inf, L2;
// gradients; minimising.
struct FabConfig {
  int64_t steps = 100;     // [1, kMaxSteps]
  int64_t restarts = 1;    // [1, kMaxRestarts]
  double alpha_max = 0.1;  // largest weight of the original, (0, 1]
  double eta = 1.05;       // overshoot, [1, kMaxEta]
  double beta = 0.9;       // backward step, (0, 1]
  // FAB-T: the other classes with the largest clean logits, one by one, all if
  // there are fewer. 0: untargeted FAB.
  int64_t target_classes = 0;  // [0, kMaxTargetClasses]
};

// Square attack (Andriushchenko et al., arXiv 1912.00049). L-inf, L2; scores.
struct SquareConfig {
  int64_t queries = 5000;      // an image and restart, [1, kMaxQueries]
  double initial_share = 0.8;  // p of the paper, (0, 1]
  int64_t restarts = 1;        // [1, kMaxRestarts]
};

// HopSkipJump (Chen et al., arXiv 1904.02144). L-inf, L2; decisions;
// minimising.
struct HopSkipJumpConfig {
  int64_t queries = 10000;  // an image, [1, kMaxQueries]
};

// Boundary attack (Brendel et al., arXiv 1712.04248). L2; decisions;
// minimising.
struct BoundaryConfig {
  int64_t queries = 25000;  // an image, [1, kMaxQueries]
};

// Random noise of the attack's size: the baseline. L-inf, L2; scores.
struct NoiseConfig {
  enum class Distribution {
    kUniform,   // in the ball (L2: in its volume)
    kGaussian,  // of standard deviation epsilon / 2 (L-inf; what lies outside
                // is clipped) or of length epsilon (L2)
  };
  Distribution distribution = Distribution::kUniform;
  int64_t repeats = 1;  // [1, 1000]; each image's worst result counts
};

struct AnyAttack;

// AutoAttack (Croce and Hein, arXiv 2003.01690): its members in order, each on
// the images that still stand.
struct AutoAttackConfig {
  // None of them an AutoAttack. Empty: the standard ensemble, APGD-CE, APGD-T
  // with 9 targets, FAB-T with 9 targets, Square with 5,000 queries.
  std::vector<AnyAttack> members;
};

// Mirrors the oneof of adv.v1.Attack.
using AttackConfig =
    std::variant<FgsmConfig, IgsmConfig, IterativeLeastLikelyConfig, PgdConfig,
                 MiFgsmConfig, ApgdConfig, DeepFoolConfig, CarliniWagnerConfig,
                 FabConfig, SquareConfig, AutoAttackConfig, HopSkipJumpConfig,
                 BoundaryConfig, NoiseConfig>;

struct AnyAttack {
  AttackConfig config;
};

// The members that run: those of the config, or the standard ensemble.
std::vector<AnyAttack> MembersOf(const AutoAttackConfig& config);

// As in the proto's oneof: "fgsm", "iterative_least_likely", "auto_attack".
std::string AttackName(const AttackConfig& config);

// INVALID_ARGUMENT with every violation, each naming field, value and range.
absl::Status Validate(const AttackConfig& config);

// The steps that an IgsmConfig or an IterativeLeastLikelyConfig takes at
// `epsilon`: its own, or by Kurakin's rule; at least 1.
int64_t IgsmSteps(const std::optional<int64_t>& steps, double epsilon);
inline int64_t IgsmSteps(const IgsmConfig& config, double epsilon) {
  return IgsmSteps(config.steps, epsilon);
}

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_ATTACK_CONFIG_H_
