#include "command_line/list.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace adv {

absl::StatusOr<std::vector<std::string>> SplitList(absl::string_view text) {
  std::vector<std::string> members;
  for (const absl::string_view piece : absl::StrSplit(text, ',')) {
    members.emplace_back(absl::StripAsciiWhitespace(piece));
    if (members.back().empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("'", text, "' has an empty member; write A,B,C"));
    }
  }
  return members;
}

CLI::Option* AddList(CLI::App* app, const std::string& flag,
                     std::vector<std::string>* list, const std::string& help) {
  const auto take = [flag, list](const CLI::results_t& values) {
    // What the list holds by default must not stay beside the user's values.
    list->clear();
    for (const std::string& value : values) {
      // What newer versions of CLI11 put behind "{}".
      if (value == "%%") continue;
      auto members = SplitList(value);
      // In CLI11 only an exception carries a message of ours.
      if (!members.ok()) {
        throw CLI::ValidationError(flag,
                                   std::string(members.status().message()));
      }
      for (std::string& member : *members) {
        // Lists are short, and their order is the user's.
        if (std::find(list->begin(), list->end(), member) != list->end()) {
          continue;
        }
        list->push_back(std::move(member));
      }
    }
    return true;
  };
  // Takes any number of values, each of which may be a list.
  return app->add_option(flag, take, help)->expected(-1)->take_all();
}

}  // namespace adv
