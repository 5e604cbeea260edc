#include "client/attacks/goal.h"

#include <charconv>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/printers/visible.h"

namespace adv {
namespace {

// The targeted rules that need no class, by the name that is typed.
const std::map<std::string, v1::TargetRule>& Rules() {
  static const auto* const rules = new std::map<std::string, v1::TargetRule>{
      {"least-likely", v1::TARGET_RULE_LEAST_LIKELY},
      {"next", v1::TARGET_RULE_NEXT},
      {"random", v1::TARGET_RULE_RANDOM}};
  return *rules;
}

// The name of a class; its index if the list does not have it.
std::string NameOrIndex(int index, const ClassNames& names) {
  return index >= 0 && index < names.size() ? names[index]
                                            : absl::StrCat(index);
}

}  // namespace

absl::StatusOr<GoalText> ParseGoal(const std::string& text) {
  if (text == "untargeted") return GoalText{};
  if (const auto rule = Rules().find(text); rule != Rules().end()) {
    return GoalText{rule->second, ""};
  }
  // "targeted:" without a class is no goal. sizeof counts the final zero, too.
  static constexpr char kPrefix[] = "targeted:";
  if (absl::StartsWith(text, kPrefix) && text.size() > sizeof(kPrefix) - 1) {
    return GoalText{v1::TARGET_RULE_FIXED, text.substr(sizeof(kPrefix) - 1)};
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "'", text,
      "' is not a goal; allowed are untargeted, targeted:CLASS, least-likely, "
      "next and random"));
}

GoalText ParseTarget(const std::string& text) {
  const auto rule = Rules().find(text);
  if (rule != Rules().end()) return {rule->second, ""};
  return {v1::TARGET_RULE_FIXED, text};
}

absl::StatusOr<v1::SuccessRule> ParseSuccess(const std::string& text) {
  if (text.empty() || text == "last") return v1::SUCCESS_RULE_LAST_ITERATE;
  if (text == "any") return v1::SUCCESS_RULE_ANY_ITERATE;
  return absl::InvalidArgumentError(
      absl::StrCat("'", text, "' is not a rule; allowed are last and any"));
}

absl::StatusOr<int> FindClass(const std::string& text,
                              const ClassNames& names) {
  // Names come before indices, so that a class with the name "3" can be chosen.
  for (int i = 0; i < names.size(); ++i) {
    if (absl::EqualsIgnoreCase(names[i], text)) return i;
  }
  int index = -1;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, index);
  // The whole text must be the index: "3x" is an error and not class 3.
  if (error == std::errc() && stop == end && index >= 0 &&
      index < names.size()) {
    return index;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("'", text, "' is not a class; allowed are ",
                   Visible(absl::StrJoin(names, ", ")),
                   " or an index from 0 to ", names.size() - 1));
}

absl::StatusOr<v1::Goal> ResolveGoal(const GoalText& goal,
                                     const ClassNames& names) {
  v1::Goal resolved;
  if (goal.rule == v1::TARGET_RULE_UNSPECIFIED) {
    // This call chooses the member of the oneof; its message has no fields.
    resolved.mutable_untargeted();
    return resolved;
  }
  resolved.mutable_targeted()->set_rule(goal.rule);
  if (goal.rule == v1::TARGET_RULE_FIXED) {
    const auto index = FindClass(goal.target_class, names);
    if (!index.ok()) return index.status();
    resolved.mutable_targeted()->set_target_class(*index);
  }
  return resolved;
}

std::string DescribeGoal(const v1::Goal& goal, const ClassNames& names) {
  if (!goal.has_targeted()) return "untargeted";
  switch (goal.targeted().rule()) {
    case v1::TARGET_RULE_LEAST_LIKELY:
      return "toward the least likely class";
    case v1::TARGET_RULE_NEXT:
      return "toward the next class";
    case v1::TARGET_RULE_RANDOM:
      return "toward a random class";
    default:
      return absl::StrCat("targeted at ",
                          NameOrIndex(goal.targeted().target_class(), names));
  }
}

std::string GoalName(const v1::Goal& goal, const ClassNames& names) {
  if (!goal.has_targeted()) return "untargeted";
  for (const auto& [name, rule] : Rules()) {
    if (rule == goal.targeted().rule()) return name;
  }
  return absl::StrCat("targeted:",
                      NameOrIndex(goal.targeted().target_class(), names));
}

}  // namespace adv
