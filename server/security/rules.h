#ifndef ADV_SERVER_SECURITY_RULES_H_
#define ADV_SERVER_SECURITY_RULES_H_

#include <absl/strings/string_view.h>

#include <optional>
#include <vector>

namespace adv {

// What a caller may do. Each role may do all that the roles before it may.
enum class Role {
  kAnyone,     // needs no identity
  kViewer,     // looks at models and evaluations
  kEvaluator,  // computes
  kAdmin,      // changes what others see
};

// "anyone", "viewer", "evaluator" or "admin".
const char* RoleName(Role role);
// One that an identity can have: not "anyone".
std::optional<Role> ParseRole(absl::string_view name);

// Who may call a method.
struct Rule {
  const char* method;  // "adv.v1.ModelService/ListModels"
  Role least;
  // Each call, also a refused one, is written to the audit log.
  bool audited = false;
};

// A rule for each method of each service; server/README.md shows the same. A
// method without a rule is denied to everybody.
const std::vector<Rule>& Rules();

// Null if there is none.
const Rule* FindRule(absl::string_view method);

}  // namespace adv

#endif  // ADV_SERVER_SECURITY_RULES_H_
