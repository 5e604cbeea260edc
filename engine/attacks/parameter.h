#ifndef ADV_ENGINE_ATTACKS_PARAMETER_H_
#define ADV_ENGINE_ATTACKS_PARAMETER_H_

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace adv::parameter {

// Parameters of attacks. Each holds a value and describes itself. A config
// declares its members as the kinds below. Whatever must know of a parameter
// (checks, the wire, the command line, the reference page) learns it from this
// declaration, through ForEach. There is no LibTorch here, because the client
// reads this file, too.

// The limit by which a server may shorten a range.
enum class Limit { kNone, kMaxSteps, kMaxQueries };

// [low, high], or (low, high] if `above_low`.
struct Range {
  double low = 0, high = 0;
  bool above_low = false;
  Limit limit = Limit::kNone;

  // False for NaN.
  bool Contains(double value) const;
  std::string Brackets() const;  // "[1, 100]", "(0, 1]"
  std::string Words() const;     // "1 to 100", "above 0, at most 1"
};

constexpr Range From(double low, double high, Limit limit = Limit::kNone) {
  return {low, high, false, limit};
}
constexpr Range Above(double low, double high) { return {low, high, true}; }

// The description of a parameter, except for its kind and default. The texts
// are literals.
struct About {
  const char* name = "";  // its field's in the proto: "step_size"
  const char* help = "";  // a few words for people
  const char* rule = "";  // what a value follows from where none is set
  Range range;            // of counts, numbers and sizes
};

// A value that converts from and to its plain type. A parameter made of a plain
// value alone has no description; ForEach gives that of the default config.
template <typename Held>
class Parameter {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor)
  operator const Held&() const { return value_; }
  const Held& value() const { return value_; }
  const About& about() const { return about_; }

 protected:
  Parameter() = default;
  explicit Parameter(Held value) : value_(std::move(value)) {}
  Parameter(Held value, const About& about)
      : value_(std::move(value)), about_(about) {}

 private:
  Held value_{};
  About about_;
};

// A parameter that may be unset. Its rule says in words which value it has
// then.
template <typename Held>
class Optional : public Parameter<std::optional<Held>> {
 public:
  explicit operator bool() const { return this->value().has_value(); }
  const Held& operator*() const { return *this->value(); }
  Held value_or(Held other) const { return this->value().value_or(other); }

 protected:
  using Parameter<std::optional<Held>>::Parameter;
};

// NOLINTBEGIN(google-explicit-constructor): a config is made of plain values.

// A number of things. A larger number can only help the attack. The exception
// is 0, where the range has it: it selects another way to go.
class Count : public Parameter<int64_t> {
 public:
  Count() = default;
  Count(int64_t value) : Parameter(value) {}
  Count(const char* name, int64_t by_default, Range range, const char* help)
      : Parameter(by_default, {name, help, "", range}) {}
};

class OptionalCount : public Optional<int64_t> {
 public:
  OptionalCount() = default;
  OptionalCount(int64_t value) : Optional(value) {}
  OptionalCount(std::optional<int64_t> value) : Optional(value) {}
  OptionalCount(const char* name, const char* rule, Range range,
                const char* help)
      : Optional(std::nullopt, {name, help, rule, range}) {}
};

// A number without a unit.
class Number : public Parameter<double> {
 public:
  Number() = default;
  Number(double value) : Parameter(value) {}
  Number(const char* name, double by_default, Range range, const char* help)
      : Parameter(by_default, {name, help, "", range}) {}
};

// The length of a step in the norm, in pixel units (the box is [0, 1]).
class Size : public Parameter<double> {
 public:
  Size() = default;
  Size(double value) : Parameter(value) {}
  Size(const char* name, double by_default, Range range, const char* help)
      : Parameter(by_default, {name, help, "", range}) {}
};

class OptionalSize : public Optional<double> {
 public:
  OptionalSize() = default;
  OptionalSize(double value) : Optional(value) {}
  OptionalSize(std::optional<double> value) : Optional(value) {}
  OptionalSize(const char* name, const char* rule, Range range,
               const char* help)
      : Optional(std::nullopt, {name, help, rule, range}) {}
};

class Flag : public Parameter<bool> {
 public:
  Flag() = default;
  Flag(bool value) : Parameter(value) {}
  Flag(const char* name, bool by_default, const char* help)
      : Parameter(by_default, {name, help, "", {}}) {}
};

// An enumerator. The values are 0, 1, 2 and so on, each with a name: that of
// the proto's enumerator without its prefix, as in "targeted_dlr".
template <typename Enum>
class Choice : public Parameter<Enum> {
 public:
  Choice() = default;
  Choice(Enum value) : Parameter<Enum>(value) {}
  Choice(const char* name, Enum by_default,
         std::initializer_list<const char*> names, const char* help)
      : Parameter<Enum>(by_default, {name, help, "", {}}), names_(names) {}

  const std::vector<const char*>& names() const { return names_; }

 private:
  std::vector<const char*> names_;
};

// NOLINTEND(google-explicit-constructor)

namespace internal {

struct Anything {
  template <typename T>
  operator T() const;  // NOLINT(google-explicit-constructor)
};

template <typename Config, typename... Values>
auto TakesValues(int)
    -> decltype(Config{std::declval<Values>()...}, std::true_type{});
template <typename Config, typename... Values>
std::false_type TakesValues(long);  // NOLINT(google-runtime-int)

// The number of members of an aggregate: the largest number of values that it
// can be made of.
template <typename Config, typename... Values>
constexpr std::size_t MemberCount() {
  if constexpr (decltype(TakesValues<Config, Values..., Anything>(0))::value) {
    return MemberCount<Config, Values..., Anything>();
  } else {
    return sizeof...(Values);
  }
}

// References to the members, in their order.
template <typename Config>
auto Members(Config& config) {
  constexpr std::size_t kCount = MemberCount<std::remove_const_t<Config>>();
  static_assert(kCount >= 1 && kCount <= 8, "add a branch");
  if constexpr (kCount == 1) {
    auto& [a] = config;
    return std::tie(a);
  } else if constexpr (kCount == 2) {
    auto& [a, b] = config;
    return std::tie(a, b);
  } else if constexpr (kCount == 3) {
    auto& [a, b, c] = config;
    return std::tie(a, b, c);
  } else if constexpr (kCount == 4) {
    auto& [a, b, c, d] = config;
    return std::tie(a, b, c, d);
  } else if constexpr (kCount == 5) {
    auto& [a, b, c, d, e] = config;
    return std::tie(a, b, c, d, e);
  } else if constexpr (kCount == 6) {
    auto& [a, b, c, d, e, f] = config;
    return std::tie(a, b, c, d, e, f);
  } else if constexpr (kCount == 7) {
    auto& [a, b, c, d, e, f, g] = config;
    return std::tie(a, b, c, d, e, f, g);
  } else {
    auto& [a, b, c, d, e, f, g, h] = config;
    return std::tie(a, b, c, d, e, f, g, h);
  }
}

// visit(a, b, ...) with the first of each tuple, then the second, and so on.
template <std::size_t... kIndex, typename Visit, typename... Tuples>
void VisitTogether(std::index_sequence<kIndex...>, Visit& visit,
                   const Tuples&... members) {
  const auto at = [&](auto index) {
    visit(std::get<decltype(index)::value>(members)...);
  };
  (at(std::integral_constant<std::size_t, kIndex>()), ...);
}

template <typename Config, typename Visit, typename... Configs>
void ForEachMember(Visit& visit, Configs&... configs) {
  static const Config kDescribed{};
  constexpr auto kIndices = std::make_index_sequence<MemberCount<Config>()>();
  VisitTogether(kIndices, visit, Members(kDescribed), Members(configs)...);
}

}  // namespace internal

// Calls visit(described, member) for each member of a config, in the order of
// their declaration. `described` is the same member of a config with all
// defaults: its value is the default, and it has the description.
template <typename Config, typename Visit>
void ForEach(Config& config, Visit&& visit) {
  internal::ForEachMember<std::remove_const_t<Config>>(visit, config);
}

// visit(described, member, member of `other`).
template <typename Config, typename Visit>
void ForEach(const Config& config, const Config& other, Visit&& visit) {
  internal::ForEachMember<Config>(visit, config, other);
}

}  // namespace adv::parameter

#endif  // ADV_ENGINE_ATTACKS_PARAMETER_H_
