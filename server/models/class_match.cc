#include "server/models/class_match.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <algorithm>
#include <cstddef>

namespace adv {
namespace {

bool AreNumbers(const std::vector<std::string>& names) {
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] != absl::StrCat(i)) return false;
  }
  return true;
}

std::string List(const std::vector<std::string>& names) {
  constexpr size_t kMost = 20;
  const size_t some = std::min(names.size(), kMost);
  return absl::StrCat(absl::StrJoin(names.begin(), names.begin() + some, ", "),
                      some < names.size() ? ", ..." : "");
}

}  // namespace

std::string ClassMismatch(const std::vector<std::string>& names,
                          const v1::ModelManifest& model) {
  const std::vector<std::string> wanted(model.class_names().begin(),
                                        model.class_names().end());
  if (names == wanted) return "";
  if (names.size() == wanted.size() && AreNumbers(names)) return "";
  return absl::StrCat("has the classes ", List(names),
                      "; must have those of the model in the same order, ",
                      List(wanted));
}

}  // namespace adv
