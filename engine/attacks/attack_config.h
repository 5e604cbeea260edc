#ifndef ADV_ENGINE_ATTACKS_ATTACK_CONFIG_H_
#define ADV_ENGINE_ATTACKS_ATTACK_CONFIG_H_

#include <absl/status/status.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "engine/attacks/parameter.h"

namespace adv {

// Configs of attacks: what they are told, what that may be, and what they do if
// they are not told. No LibTorch here: the client reads it, too.

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
inline constexpr std::size_t kMaxMembers = 16;

inline constexpr char kKurakinsRule[] = "min(e + 4, 1.25 e) rounded up";

namespace parameter {
// The ranges that several attacks share.
inline constexpr Range kSteps = From(1, kMaxSteps, Limit::kMaxSteps);
inline constexpr Range kQueries = From(1, kMaxQueries, Limit::kMaxQueries);
inline constexpr Range kRestarts = From(1, kMaxRestarts);
inline constexpr Range kStepSizes = Above(0, kMaxStepSize);
}  // namespace parameter

// A config is an aggregate of parameters (parameter.h): to declare one here,
// and a field of its name in attack.proto, is all that it takes. They stand in
// the order of the proto's fields. kName is that of the proto's oneof.

// Fast gradient sign method (Goodfellow et al., arXiv 1412.6572):
// x' = clip(x + epsilon sign(gradient)), sign(0) = 0. L-inf; gradients.
struct FgsmConfig {
  static constexpr char kName[] = "fgsm";
  // The thesis's arithmetic, to reproduce its numbers. The only setting under
  // which images may leave the box; reports name it.
  parameter::Flag thesis_mode{"thesis_mode", false,
                              "no clipping to [0, 1], and sign(0) = +1"};
};

// Iterative gradient sign / basic iterative method (Kurakin et al.,
// arXiv 1607.02533). L-inf; gradients.
struct IgsmConfig {
  static constexpr char kName[] = "igsm";
  parameter::Size step_size{"step_size", 1.0 / 255, parameter::Above(0, 1),
                            "change of each value in a step"};
  parameter::OptionalCount steps{
      "steps", kKurakinsRule, parameter::kSteps,
      "how many; e is epsilon in levels of 1/255 (Kurakin's rule)"};
};

// IGSM that descends toward the class with the smallest logit on the clean
// image (Kurakin et al., arXiv 1607.02533), whatever the goal; takes no other
// target. L-inf; gradients.
struct IterativeLeastLikelyConfig {
  static constexpr char kName[] = "iterative_least_likely";
  parameter::Size step_size{"step_size", 1.0 / 255, parameter::Above(0, 1),
                            "change of each value in a step"};
  parameter::OptionalCount steps{
      "steps", kKurakinsRule, parameter::kSteps,
      "how many; e is epsilon in levels of 1/255 (Kurakin's rule)"};
};

// Projected gradient descent (Madry et al., arXiv 1706.06083). L-inf: steps
// along the sign; L2: along the gradient made a unit vector. Both gradients.
struct PgdConfig {
  static constexpr char kName[] = "pgd";
  parameter::OptionalSize step_size{"step_size", "epsilon / 4",
                                    parameter::kStepSizes,
                                    "length of a step in the norm"};
  parameter::Count steps{"steps", 40, parameter::kSteps, "how many"};
  parameter::Count restarts{"restarts", 1, parameter::kRestarts,
                            "random starts; each image's worst result counts"};
  parameter::Flag random_start{
      "random_start", true,
      "start at a random point of the ball (l2: of its volume), clipped to "
      "[0, 1]"};
};

// Momentum iterative FGSM (Dong et al., arXiv 1710.06081):
// g <- momentum g + gradient / max(mean |gradient|, 1e-12),
// x <- x + step_size sign(g). L-inf; gradients.
struct MiFgsmConfig {
  static constexpr char kName[] = "mi_fgsm";
  parameter::OptionalSize step_size{"step_size", "epsilon / steps",
                                    parameter::kStepSizes,
                                    "change of each value in a step"};
  parameter::Count steps{"steps", 10, parameter::kSteps, "how many"};
  parameter::Number momentum{"momentum", 1, parameter::From(0, 10),
                             "decay of the accumulated gradient"};
};

// Auto-PGD (Croce and Hein, arXiv 2003.01690). L-inf, L2; gradients.
struct ApgdConfig {
  static constexpr char kName[] = "apgd";
  enum class Loss {
    kCrossEntropy,  // through L, which has the same maxima
    kDlr,           // needs 3 classes
    kTargetedDlr,   // one run for each target class; needs 4 classes
  };
  parameter::Choice<Loss> loss{
      "loss",
      Loss::kCrossEntropy,
      {"ce", "dlr", "targeted_dlr"},
      "what is climbed: cross-entropy, or the difference of logits ratio (dlr "
      "needs 3 classes, targeted-dlr 4)"};
  parameter::Count steps{"steps", 100, parameter::kSteps, "how many"};
  parameter::Count restarts{"restarts", 1, parameter::kRestarts,
                            "random starts; each image's worst result counts"};
  parameter::Count target_classes{
      "target_classes", 9, parameter::From(1, kMaxTargetClasses),
      "of targeted-dlr without a target: so many of the other classes with the "
      "largest logits are tried, best first; all if there are fewer"};
};

// DeepFool (Moosavi-Dezfooli et al., arXiv 1511.04599). L2, L-inf; gradients;
// minimising.
struct DeepFoolConfig {
  static constexpr char kName[] = "deep_fool";
  parameter::Count steps{"steps", 50, parameter::kSteps, "how many"};
  parameter::Number overshoot{
      "overshoot", 0.02, parameter::From(0, 1),
      "how far beyond the boundary, as a share of the change"};
};

// Carlini and Wagner's L2 attack (arXiv 1608.04644). L2; gradients; minimising.
struct CarliniWagnerConfig {
  static constexpr char kName[] = "carlini_wagner";
  parameter::Number learning_rate{
      "learning_rate", 0.01, parameter::Above(0, kMaxLearningRate), "Adam's"};
  parameter::Count binary_search_steps{"binary_search_steps", 9,
                                       parameter::From(1, 20),
                                       "searches over the constant c"};
  parameter::Number initial_constant{"initial_constant", 1e-3,
                                     parameter::Above(0, kMaxInitialConstant),
                                     "the first constant"};
  parameter::Count steps{"steps", 1000, parameter::kSteps,
                         "Adam's steps in each search"};
  parameter::Number confidence{
      "confidence", 0, parameter::From(0, kMaxConfidence),
      "margin (kappa) by which the logits must be wrong"};
};

// Fast adaptive boundary (Croce and Hein, arXiv 1907.02044). L-inf, L2;
// gradients; minimising.
struct FabConfig {
  static constexpr char kName[] = "fab";
  parameter::Count steps{"steps", 100, parameter::kSteps, "how many"};
  parameter::Count restarts{"restarts", 1, parameter::kRestarts,
                            "random starts; each image's best result counts"};
  parameter::Number alpha_max{"alpha_max", 0.1, parameter::Above(0, 1),
                              "largest weight of the original in a step"};
  parameter::Number eta{"eta", 1.05, parameter::From(1, kMaxEta), "overshoot"};
  parameter::Number beta{"beta", 0.9, parameter::Above(0, 1), "backward step"};
  parameter::Count target_classes{
      "target_classes", 0, parameter::From(0, kMaxTargetClasses),
      "attack so many of the other classes with the largest logits one by one "
      "(FAB-T), all if there are fewer; 0: untargeted"};
};

// Square attack (Andriushchenko et al., arXiv 1912.00049). L-inf, L2; scores.
struct SquareConfig {
  static constexpr char kName[] = "square";
  parameter::Count queries{
      "queries", 5000, parameter::kQueries,
      "questions to the model for each image and random start"};
  parameter::Number initial_share{"initial_share", 0.8, parameter::Above(0, 1),
                                  "first share of pixels changed at once"};
  parameter::Count restarts{"restarts", 1, parameter::kRestarts,
                            "random starts; each image's worst result counts"};
};

// HopSkipJump (Chen et al., arXiv 1904.02144). L-inf, L2; decisions;
// minimising.
struct HopSkipJumpConfig {
  static constexpr char kName[] = "hop_skip_jump";
  parameter::Count queries{"queries", 10000, parameter::kQueries,
                           "questions to the model for each image"};
};

// Boundary attack (Brendel et al., arXiv 1712.04248). L2; decisions;
// minimising.
struct BoundaryConfig {
  static constexpr char kName[] = "boundary";
  parameter::Count queries{"queries", 25000, parameter::kQueries,
                           "questions to the model for each image"};
};

// Random noise of the attack's size: the baseline. L-inf, L2; needs nothing of
// the model.
struct NoiseConfig {
  static constexpr char kName[] = "noise";
  enum class Distribution {
    kUniform,   // in the ball (L2: in its volume)
    kGaussian,  // of standard deviation epsilon / 2 (L-inf; what lies outside
                // is clipped) or of length epsilon (L2)
  };
  parameter::Choice<Distribution> distribution{
      "distribution",
      Distribution::kUniform,
      {"uniform", "gaussian"},
      "uniform in the ball; gaussian: linf of deviation epsilon / 2 and "
      "clipped, l2 of length epsilon"};
  parameter::Count repeats{"repeats", 1, parameter::From(1, 1000),
                           "tries; each image's worst one counts"};
};

struct AnyAttack;

// AutoAttack (Croce and Hein, arXiv 2003.01690): its members in order, each on
// the images that are still under attack.
struct AutoAttackConfig {
  static constexpr char kName[] = "auto_attack";
  // At most kMaxMembers, none of them an AutoAttack. Empty: the standard
  // ensemble, APGD-CE, APGD-T with 9 targets, FAB-T with 9 targets, Square with
  // 5,000 queries.
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

// Every attack with its defaults, in the order of the proto's oneof.
std::vector<AttackConfig> AllAttacks();

// The one of this name, as AttackName gives it; there must be one.
AttackConfig DefaultConfig(const std::string& name);

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
