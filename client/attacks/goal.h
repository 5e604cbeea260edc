#ifndef ADV_CLIENT_ATTACKS_GOAL_H_
#define ADV_CLIENT_ATTACKS_GOAL_H_

#include <string>

#include "absl/status/statusor.h"
#include "adv/v1/attack.pb.h"
#include "google/protobuf/repeated_ptr_field.h"

namespace adv {

// A goal as typed: the class of a targeted attack may be a name, which only a
// model's class list can turn into an index.
struct GoalText {
  v1::TargetRule rule = v1::TARGET_RULE_UNSPECIFIED;  // untargeted
  std::string target_class;                           // of FIXED alone
};

// Reads "untargeted", "targeted:CLASS", "least-likely", "next" or "random".
absl::StatusOr<GoalText> ParseGoal(const std::string& text);

// Reads what `attack --target` takes: "least-likely", "next", "random", or
// else a class.
GoalText ParseTarget(const std::string& text);

// Reads what --success takes: "last", the default, or "any".
absl::StatusOr<v1::SuccessRule> ParseSuccess(const std::string& text);

using ClassNames = google::protobuf::RepeatedPtrField<std::string>;

// The index of a class given by name (case does not matter) or index. Errors
// list the classes.
absl::StatusOr<int> FindClass(const std::string& text, const ClassNames& names);

// `names` is used for FIXED alone.
absl::StatusOr<v1::Goal> ResolveGoal(const GoalText& goal,
                                     const ClassNames& names);

// For people: "untargeted", "targeted at dog", "toward the least likely class".
std::string DescribeGoal(const v1::Goal& goal, const ClassNames& names);

// As --goal takes it: "untargeted", "targeted:dog".
std::string GoalName(const v1::Goal& goal, const ClassNames& names);

}  // namespace adv

#endif  // ADV_CLIENT_ATTACKS_GOAL_H_
