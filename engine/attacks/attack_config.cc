#include "engine/attacks/attack_config.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/string_view.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/attacks/violations.h"

namespace adv {
namespace {

constexpr double kAboveZero = std::numeric_limits<double>::denorm_min();

std::string Name(const FgsmConfig&) { return "fgsm"; }
std::string Name(const IgsmConfig&) { return "igsm"; }
std::string Name(const IterativeLeastLikelyConfig&) {
  return "iterative_least_likely";
}
std::string Name(const PgdConfig&) { return "pgd"; }
std::string Name(const MiFgsmConfig&) { return "mi_fgsm"; }
std::string Name(const ApgdConfig&) { return "apgd"; }
std::string Name(const DeepFoolConfig&) { return "deep_fool"; }
std::string Name(const CarliniWagnerConfig&) { return "carlini_wagner"; }
std::string Name(const FabConfig&) { return "fab"; }
std::string Name(const SquareConfig&) { return "square"; }
std::string Name(const AutoAttackConfig&) { return "auto_attack"; }
std::string Name(const HopSkipJumpConfig&) { return "hop_skip_jump"; }
std::string Name(const BoundaryConfig&) { return "boundary"; }
std::string Name(const NoiseConfig&) { return "noise"; }

// Collects what is outside its range.
class Ranges {
 public:
  void Integer(const char* field, int64_t value, int64_t low, int64_t high) {
    if (value < low || value > high) {
      violations_.Add(absl::StrCat(field, ": ", value, " is outside [", low,
                                   ", ", high, "]"));
    }
  }
  void Steps(int64_t value) { Integer("steps", value, 1, kMaxSteps); }
  void Restarts(int64_t value) { Integer("restarts", value, 1, kMaxRestarts); }
  void Queries(int64_t value) { Integer("queries", value, 1, kMaxQueries); }

  // `range` is how [low, high] is written; NaN is outside.
  void Number(const char* field, double value, double low, double high,
              absl::string_view range) {
    if (!(value >= low && value <= high)) {
      violations_.Add(absl::StrCat(field, ": ", value, " is outside ", range));
    }
  }
  void Positive(const char* field, double value, double high) {
    Number(field, value, kAboveZero, high, absl::StrCat("(0, ", high, "]"));
  }
  void Share(const char* field, double value) {
    Number(field, value, kAboveZero, 1, "(0, 1]");
  }

  Violations& violations() { return violations_; }

 private:
  Violations violations_;
};

void Check(const FgsmConfig&, Ranges&) {}
void Check(const IgsmConfig& config, Ranges& ranges) {
  ranges.Share("step_size", config.step_size);
  if (config.steps) ranges.Steps(*config.steps);
}
void Check(const IterativeLeastLikelyConfig& config, Ranges& ranges) {
  ranges.Share("step_size", config.step_size);
  if (config.steps) ranges.Steps(*config.steps);
}
void Check(const PgdConfig& config, Ranges& ranges) {
  if (config.step_size) {
    ranges.Positive("step_size", *config.step_size, kMaxStepSize);
  }
  ranges.Steps(config.steps);
  ranges.Restarts(config.restarts);
}
void Check(const MiFgsmConfig& config, Ranges& ranges) {
  if (config.step_size) {
    ranges.Positive("step_size", *config.step_size, kMaxStepSize);
  }
  ranges.Steps(config.steps);
  ranges.Number("momentum", config.momentum, 0, 10, "[0, 10]");
}
void Check(const ApgdConfig& config, Ranges& ranges) {
  ranges.Steps(config.steps);
  ranges.Restarts(config.restarts);
  ranges.Integer("target_classes", config.target_classes, 1, kMaxTargetClasses);
}
void Check(const DeepFoolConfig& config, Ranges& ranges) {
  ranges.Steps(config.steps);
  ranges.Number("overshoot", config.overshoot, 0, 1, "[0, 1]");
}
void Check(const CarliniWagnerConfig& config, Ranges& ranges) {
  ranges.Positive("learning_rate", config.learning_rate, kMaxLearningRate);
  ranges.Integer("binary_search_steps", config.binary_search_steps, 1, 20);
  ranges.Positive("initial_constant", config.initial_constant,
                  kMaxInitialConstant);
  ranges.Steps(config.steps);
  ranges.Number("confidence", config.confidence, 0, kMaxConfidence,
                absl::StrCat("[0, ", kMaxConfidence, "]"));
}
void Check(const FabConfig& config, Ranges& ranges) {
  ranges.Steps(config.steps);
  ranges.Restarts(config.restarts);
  ranges.Share("alpha_max", config.alpha_max);
  ranges.Number("eta", config.eta, 1, kMaxEta,
                absl::StrCat("[1, ", kMaxEta, "]"));
  ranges.Share("beta", config.beta);
  ranges.Integer("target_classes", config.target_classes, 0, kMaxTargetClasses);
}
void Check(const SquareConfig& config, Ranges& ranges) {
  ranges.Queries(config.queries);
  ranges.Share("initial_share", config.initial_share);
  ranges.Restarts(config.restarts);
}
void Check(const HopSkipJumpConfig& config, Ranges& ranges) {
  ranges.Queries(config.queries);
}
void Check(const BoundaryConfig& config, Ranges& ranges) {
  ranges.Queries(config.queries);
}
void Check(const NoiseConfig& config, Ranges& ranges) {
  ranges.Integer("repeats", config.repeats, 1, 1000);
}
void Check(const AutoAttackConfig& config, Ranges& ranges) {
  for (const AnyAttack& member : config.members) {
    if (std::holds_alternative<AutoAttackConfig>(member.config)) {
      ranges.violations().Add("members: an AutoAttack cannot be one");
    } else {
      ranges.violations().AddAll(Validate(member.config));
    }
  }
}

}  // namespace

std::string AttackName(const AttackConfig& config) {
  return std::visit([](const auto& one) { return Name(one); }, config);
}

std::vector<AnyAttack> MembersOf(const AutoAttackConfig& config) {
  if (!config.members.empty()) return config.members;
  ApgdConfig apgd_t;
  apgd_t.loss = ApgdConfig::Loss::kTargetedDlr;
  FabConfig fab_t;
  fab_t.target_classes = 9;
  return {{ApgdConfig()}, {apgd_t}, {fab_t}, {SquareConfig()}};
}

absl::Status Validate(const AttackConfig& config) {
  Ranges ranges;
  std::visit([&ranges](const auto& one) { Check(one, ranges); }, config);
  return ranges.violations().ToStatus();
}

int64_t IgsmSteps(const std::optional<int64_t>& steps, double epsilon) {
  if (steps) return *steps;
  const double e = 255 * epsilon;
  // 255 * (8 / 255) is a little more than 8; that is not another step.
  constexpr double kRounding = 1e-6;
  const double rule = std::ceil(std::min(e + 4, 1.25 * e) - kRounding);
  return std::max<int64_t>(1, static_cast<int64_t>(rule));
}

}  // namespace adv
