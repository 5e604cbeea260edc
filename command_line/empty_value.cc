#include "command_line/empty_value.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace adv {

absl::Status CheckNoEmptyValue(int argc, const char* const* argv) {
  // False behind "--", where a word may begin with a dash and is no flag.
  bool flags = true;
  for (int i = 1; i < argc; ++i) {
    const absl::string_view word = argv[i];
    if (word == "--") flags = false;
    // The first "=" counts: "--dataset=name=" has a value, which ends in one.
    const bool ends_in_nothing = flags && absl::StartsWith(word, "-") &&
                                 word.find('=') == word.size() - 1;
    if (!word.empty() && !ends_in_nothing) continue;
    // An empty word behind a flag is that flag's value, and the flag is named.
    const absl::string_view before = argv[i - 1];
    if (word.empty() && !(flags && absl::StartsWith(before, "-"))) {
      return absl::InvalidArgumentError(
          "a word of the command line is empty; leave it out");
    }
    return absl::InvalidArgumentError(
        absl::StrCat(word.empty() ? before : absl::StripSuffix(word, "="),
                     ": its value is empty; give one, or leave the flag out"));
  }
  return absl::OkStatus();
}

}  // namespace adv
