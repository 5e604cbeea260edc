#include "engine/attacks/attack_config.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

#include "engine/attacks/violations.h"

namespace adv {
namespace {

// Collects what is outside its range. Flags and choices cannot be.
class Check {
 public:
  void operator()(const parameter::Flag&, const parameter::Flag&) {}
  template <typename Enum>
  void operator()(const parameter::Choice<Enum>&,
                  const parameter::Choice<Enum>&) {}
  template <typename Kind>
  void operator()(const Kind& described, const Kind& parameter) {
    Add(described.about(), parameter.value());
  }

  Violations& violations() { return violations_; }

 private:
  template <typename Value>
  void Add(const parameter::About& about, const std::optional<Value>& value) {
    // A parameter without a value follows a rule of its attack.
    if (value) Add(about, *value);
  }
  template <typename Value>
  void Add(const parameter::About& about, Value value) {
    if (about.range.Contains(static_cast<double>(value))) return;
    violations_.Add(absl::StrCat(about.name, ": ", value, " is outside ",
                                 about.range.Brackets()));
  }

  Violations violations_;
};

template <typename Config>
void CheckAll(const Config& config, Check& check) {
  parameter::ForEach(config, check);
}
void CheckAll(const AutoAttackConfig& config, Check& check) {
  for (const AnyAttack& member : config.members) {
    if (std::holds_alternative<AutoAttackConfig>(member.config)) {
      // So configs are two levels deep at most.
      check.violations().Add("members: an AutoAttack cannot be one");
    } else {
      check.violations().AddAll(Validate(member.config));
    }
  }
}

// Goes by the variant's types, so that a new one is in this list at once.
template <std::size_t... kIndex>
std::vector<AttackConfig> Defaults(std::index_sequence<kIndex...>) {
  return {std::variant_alternative_t<kIndex, AttackConfig>()...};
}

}  // namespace

std::vector<AttackConfig> AllAttacks() {
  return Defaults(
      std::make_index_sequence<std::variant_size_v<AttackConfig>>());
}

AttackConfig DefaultConfig(const std::string& name) {
  const std::vector<AttackConfig> all = AllAttacks();
  return *std::find_if(all.begin(), all.end(), [&](const AttackConfig& one) {
    return AttackName(one) == name;
  });
}

std::string AttackName(const AttackConfig& config) {
  return std::visit([](const auto& one) { return std::string(one.kName); },
                    config);
}

std::vector<AnyAttack> MembersOf(const AutoAttackConfig& config) {
  if (!config.members.empty()) return config.members;
  // The standard ensemble of the authors' program.
  ApgdConfig apgd_t;
  apgd_t.loss = ApgdConfig::Loss::kTargetedDlr;
  FabConfig fab_t;
  fab_t.target_classes = 9;
  return {{ApgdConfig()}, {apgd_t}, {fab_t}, {SquareConfig()}};
}

absl::Status Validate(const AttackConfig& config) {
  Check check;
  std::visit([&check](const auto& one) { CheckAll(one, check); }, config);
  return check.violations().ToStatus();
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
