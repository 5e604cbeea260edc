#ifndef ADV_SERVER_SECURITY_IDENTITIES_H_
#define ADV_SERVER_SECURITY_IDENTITIES_H_

#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "server/security/rules.h"

namespace adv {

// What one identity may use. 0: no limit.
struct Quota {
  int64_t calls_per_minute = 0;
  // In images times passes, as server/compute/cost.h counts them.
  int64_t cost_per_minute = 0;
  // That it started and that run now.
  int64_t evaluations = 0;
};

// Someone the server knows: a person, a team, a program.
struct Identity {
  std::string name;  // for logs
  Role role = Role::kAnyone;
  Quota quota;
  std::vector<std::string> token_sha256;  // in lower-case hexadecimal
  std::vector<std::string> certificates;  // subject alternative names
};
using IdentityPtr = std::shared_ptr<const Identity>;

// All identities of a file. Immutable.
class Identities {
 public:
  // Reads a JSON list such as
  //   [{"name": "ci", "role": "evaluator", "token_sha256": "64 hex digits",
  //     "quota": {"calls_per_minute": 600}},
  //    {"name": "ops", "role": "admin", "certificate": "spiffe://lab/ops"}]
  // token_sha256 and certificate may each be a list, too. INVALID_ARGUMENT
  // lists every fault with its field.
  static absl::StatusOr<Identities> Parse(const std::string& json);

  // Null if nobody has it. Takes the same time for every token.
  IdentityPtr FindByToken(absl::string_view token) const;
  // The first one that has one of these names; null if none has.
  IdentityPtr FindByCertificate(const std::vector<std::string>& names) const;

  size_t size() const { return identities_.size(); }

 private:
  std::vector<IdentityPtr> identities_;
};

}  // namespace adv

#endif  // ADV_SERVER_SECURITY_IDENTITIES_H_
