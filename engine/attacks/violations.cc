#include "engine/attacks/violations.h"

#include <absl/strings/str_join.h>
#include <absl/strings/str_split.h>

#include <algorithm>
#include <utility>

namespace adv {

void Violations::Add(std::string violation) {
  // Epsilons or members often share a fault, and one line of it is enough.
  if (std::find(violations_.begin(), violations_.end(), violation) ==
      violations_.end()) {
    violations_.push_back(std::move(violation));
  }
}

void Violations::AddAll(const absl::Status& status) {
  if (status.ok()) return;
  // The message is that of another ToStatus, which joined its violations.
  for (absl::string_view violation : absl::StrSplit(status.message(), "; ")) {
    Add(std::string(violation));
  }
}

absl::Status Violations::ToStatus() const {
  if (violations_.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrJoin(violations_, "; "));
}

}  // namespace adv
