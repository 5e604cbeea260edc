// Decoding: attacks of the wire, with what is wrong with them.
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "server/codec/codec_attack_config.h"

namespace adv {
namespace {

using google::protobuf::FieldDescriptor;

// Grey levels in a pixel unit.
constexpr double kLevels = 255;

// The largest count that this server takes: the attack's own bound, or a lower
// one that the operator set.
int64_t Most(const parameter::About& about, const Limits& limits) {
  const auto most = static_cast<int64_t>(about.range.high);
  switch (about.range.limit) {
    case parameter::Limit::kMaxSteps:
      return std::min<int64_t>(most, limits.steps);
    case parameter::Limit::kMaxQueries:
      return std::min<int64_t>(most, limits.queries);
    case parameter::Limit::kNone:
      break;
  }
  return most;
}

// Reads the parameters of one attack from the fields of their names. ForEach
// calls the overload for each parameter's kind. What is not given stays at its
// default.
class ParameterReader {
 public:
  ParameterReader(const google::protobuf::Message& message, std::string field,
                  const Limits& limits, FieldViolations* violations)
      : message_(message),
        reflection_(*message.GetReflection()),
        field_(std::move(field)),
        limits_(limits),
        violations_(violations) {}

  void operator()(const parameter::Count& described,
                  parameter::Count& to) const {
    const parameter::About& about = described.about();
    if (const auto count = ReadCount(about)) {
      to = *count;
      return;
    }
    // A server's limit may be below the default. The request must then give a
    // smaller count.
    const int64_t most = Most(about, limits_);
    if (to <= most) return;
    violations_->Add(Path(about),
                     absl::StrCat("is not given, and would be ", to.value(),
                                  "; must be ", about.range.low, " to ", most));
  }
  // A count that is not given follows from epsilon, which is not known here.
  // CheckSteps checks it.
  void operator()(const parameter::OptionalCount& described,
                  parameter::OptionalCount& to) const {
    if (const auto count = ReadCount(described.about())) to = *count;
  }
  void operator()(const parameter::Number& described,
                  parameter::Number& to) const {
    const parameter::About& about = described.about();
    if (!IsGiven(about)) return;
    to = reflection_.GetDouble(message_, &Field(about));
    if (about.range.Contains(to)) return;
    violations_->Add(Path(about), absl::StrCat("is ", to.value(), "; must be ",
                                               about.range.Words()));
  }
  void operator()(const parameter::Size& described, parameter::Size& to) const {
    if (const auto size = ReadSize(described.about())) to = *size;
  }
  void operator()(const parameter::OptionalSize& described,
                  parameter::OptionalSize& to) const {
    if (const auto size = ReadSize(described.about())) to = *size;
  }
  void operator()(const parameter::Flag& described, parameter::Flag& to) const {
    if (!IsGiven(described.about())) return;
    to = reflection_.GetBool(message_, &Field(described.about()));
  }
  template <typename Enum>
  void operator()(const parameter::Choice<Enum>& described,
                  parameter::Choice<Enum>& to) const {
    const FieldDescriptor& field = Field(described.about());
    const int number = reflection_.GetEnumValue(message_, &field);
    // Proto enums are open, so any number may arrive.
    if (field.enum_type()->FindValueByNumber(number) == nullptr) {
      violations_->Add(Path(described.about()),
                       absl::StrCat("is ", number, "; must be a value of ",
                                    field.enum_type()->full_name()));
      return;
    }
    // Names have numbers above 0. UNSPECIFIED, which is 0, fits none of them
    // and leaves the default.
    for (size_t i = 0; i < described.names().size(); ++i) {
      if (number == EnumeratorOf(field, described.names()[i])) {
        to = static_cast<Enum>(i);
      }
    }
  }

 private:
  const FieldDescriptor& Field(const parameter::About& about) const {
    return FieldOf(*message_.GetDescriptor(), about);
  }
  bool IsGiven(const parameter::About& about) const {
    return reflection_.HasField(message_, &Field(about));
  }
  std::string Path(const parameter::About& about) const {
    return absl::StrCat(field_, ".", about.name);
  }

  // A count that is given. One out of range is returned, too, after its
  // violation.
  std::optional<int64_t> ReadCount(const parameter::About& about) const {
    if (!IsGiven(about)) return std::nullopt;
    const int64_t count = reflection_.GetUInt32(message_, &Field(about));
    const int64_t most = Most(about, limits_);
    if (static_cast<double>(count) < about.range.low || count > most) {
      violations_->Add(Path(about),
                       absl::StrCat("is ", count, "; must be ", about.range.low,
                                    " to ", most));
    }
    return count;
  }
  // A size that is given, in pixel units. It must be above 0: a step of 0 would
  // never move an image.
  std::optional<double> ReadSize(const parameter::About& about) const {
    if (!IsGiven(about)) return std::nullopt;
    v1::Epsilon size;
    size.CopyFrom(reflection_.GetMessage(message_, &Field(about)));
    return DecodeSize(size, Path(about), {about.range.high, false},
                      violations_);
  }

  const google::protobuf::Message& message_;
  const google::protobuf::Reflection& reflection_;
  const std::string field_;
  const Limits& limits_;
  FieldViolations* const violations_;
};

// The parameters of `config` from the attack's own message.
template <typename Config>
void Decode(const google::protobuf::Message& message, const std::string& field,
            const Limits& limits, FieldViolations* violations, Config* config) {
  parameter::ForEach(*config,
                     ParameterReader(message, field, limits, violations));
}

void Decode(const google::protobuf::Message& message, const std::string& field,
            const Limits& limits, FieldViolations* violations,
            AutoAttackConfig* config) {
  v1::AutoAttack attack;
  attack.CopyFrom(message);
  if (attack.members().empty()) {
    // No members mean the standard ensemble. Its members are decoded only to
    // find what this server's limits refuse. `config` stays empty, which stands
    // for them.
    attack = EncodeAttack(*config, std::nullopt).auto_attack();
    AutoAttackConfig standard;
    Decode(attack, field, limits, violations, &standard);
    return;
  }
  if (attack.members().size() > static_cast<int>(kMaxMembers)) {
    violations->Add(absl::StrCat(field, ".members"),
                    absl::StrCat("has ", attack.members_size(),
                                 " entries; must have at most ", kMaxMembers));
    return;
  }
  for (int i = 0; i < attack.members_size(); ++i) {
    const std::string path = absl::StrCat(field, ".members[", i, "]");
    // Without nesting the recursion below is one level deep.
    if (attack.members(i).has_auto_attack()) {
      violations->Add(path, "is an auto_attack; must be another attack");
      continue;
    }
    config->members.push_back(
        {DecodeAttack(attack.members(i), path, limits, violations)});
  }
}

// Checks the counts of one attack that follow from an epsilon because they are
// not given. A count that is given was checked when it was read.
struct RuleCheck {
  const std::string field;
  double epsilon;
  const Limits& limits;
  FieldViolations* violations;
  bool too_many = false;

  void operator()(const parameter::OptionalCount& described,
                  const parameter::OptionalCount& count) {
    const int64_t most = Most(described.about(), limits);
    const int64_t by_rule = IgsmSteps(count, epsilon);
    if (count || by_rule <= most) return;
    too_many = true;
    violations->Add(absl::StrCat(field, ".", described.about().name),
                    absl::StrCat("is not given, and would be ", by_rule,
                                 " at epsilon ", epsilon, "; must be ",
                                 described.about().range.low, " to ", most));
  }
  // No other parameter is a count that follows from epsilon.
  template <typename Kind>
  void operator()(const Kind& /*described*/, const Kind& /*value*/) {}

  template <typename Config>
  void Look(const Config& config) {
    parameter::ForEach(config, *this);
  }
  // An AutoAttack has no parameters of its own. CheckSteps looks at its
  // members.
  void Look(const AutoAttackConfig& /*config*/) {}
};

}  // namespace

std::vector<std::string> ImplementedAttacks() {
  const google::protobuf::OneofDescriptor* kinds =
      v1::Attack::descriptor()->FindOneofByName("kind");
  std::vector<std::string> names;
  names.reserve(kinds->field_count());
  for (int i = 0; i < kinds->field_count(); ++i) {
    names.push_back(kinds->field(i)->name());
  }
  return names;
}

AttackConfig DecodeAttack(const v1::Attack& attack, absl::string_view field,
                          const Limits& limits, FieldViolations* violations) {
  if (attack.kind_case() == v1::Attack::KIND_NOT_SET) {
    violations->Add(field,
                    absl::StrCat("is not given; must be one of ",
                                 absl::StrJoin(ImplementedAttacks(), ", ")));
    return FgsmConfig();
  }
  // The field of the oneof has the attack's name, and its message the
  // parameters.
  const FieldDescriptor* const kind =
      v1::Attack::descriptor()->FindFieldByNumber(attack.kind_case());
  AttackConfig config = DefaultConfig(kind->name());
  std::visit(
      [&](auto& one) {
        Decode(attack.GetReflection()->GetMessage(attack, kind),
               absl::StrCat(field, ".", kind->name()), limits, violations,
               &one);
      },
      config);
  return config;
}

void CheckSteps(const AttackConfig& config, absl::string_view field,
                const std::vector<double>& epsilons, const Limits& limits,
                FieldViolations* violations) {
  for (const double epsilon : epsilons) {
    if (!(epsilon >= 0 && epsilon <= 1)) continue;
    RuleCheck check{absl::StrCat(field, ".", AttackName(config)), epsilon,
                    limits, violations};
    std::visit([&check](const auto& one) { check.Look(one); }, config);
    // One epsilon is enough for the error: the others have the same remedy.
    if (check.too_many) return;
  }
  if (const auto* all = std::get_if<AutoAttackConfig>(&config)) {
    for (size_t i = 0; i < all->members.size(); ++i) {
      CheckSteps(all->members[i].config,
                 absl::StrCat(field, ".auto_attack.members[", i, "]"), epsilons,
                 limits, violations);
    }
  }
}

double DecodeSize(const v1::Epsilon& size, absl::string_view field,
                  SizeRange range, FieldViolations* violations) {
  const absl::string_view from =
      range.may_be_zero ? "0 to " : "above 0, up to ";
  const bool levels = size.unit_case() == v1::Epsilon::kLevels;
  const double value = levels ? size.levels() : size.pixels();
  // Checked and named in the caller's own unit.
  const double max = levels ? range.max * kLevels : range.max;
  if (size.unit_case() == v1::Epsilon::UNIT_NOT_SET) {
    violations->Add(
        field, absl::StrCat("is not given; must be pixels, ", from, range.max,
                            ", or levels, ", from, range.max * kLevels));
    // NaN fails every comparison, so the check asks whether the size is in
    // range and not whether it is outside.
  } else if (!(value <= max && (range.may_be_zero ? value >= 0 : value > 0))) {
    violations->Add(field, absl::StrCat("is ", value,
                                        levels ? " levels" : " in pixel units",
                                        "; must be ", from, max));
  }
  return levels ? value / kLevels : value;
}

}  // namespace adv
