#include "client/flag_errors.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace adv {

absl::Status FlagError(const char* flag, const absl::Status& status) {
  if (status.ok()) return status;
  const std::string prefix = absl::StrCat(flag, ": ");
  // An error of several lines gets the flag before each of them.
  const std::string next = absl::StrCat("\n  ", prefix);
  return absl::InvalidArgumentError(absl::StrCat(
      prefix,
      absl::StrReplaceAll(std::string(status.message()), {{"\n", next}})));
}

absl::Status BothErrors(const absl::Status& first, const absl::Status& second) {
  // If both are OK, this returns OK.
  if (first.ok()) return second;
  if (second.ok()) return first;
  return absl::InvalidArgumentError(
      absl::StrCat(first.message(), "\n  ", second.message()));
}

}  // namespace adv
