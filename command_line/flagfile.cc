#include "command_line/flagfile.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace adv {
namespace {

absl::Status Fault(const std::string& place, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(place, ": ", what));
}

absl::StatusOr<FlagLine> ParseLine(absl::string_view text,
                                   const std::string& place) {
  const absl::string_view line = text;
  if (!absl::ConsumePrefix(&text, "--") || text.empty() || text[0] == '=') {
    return Fault(place, absl::StrCat("'", line, "' is not --NAME=VALUE"));
  }
  FlagLine flag;
  flag.place = place;
  const std::size_t end = text.find('=');
  flag.name = std::string(text.substr(0, end));
  if (flag.name == "flagfile") {
    return Fault(place, "a flagfile cannot name another one");
  }
  if (end == absl::string_view::npos) return flag;
  flag.value = std::string(text.substr(end + 1));
  if (flag.value->empty()) {
    return Fault(place, absl::StrCat("--", flag.name,
                                     ": its value is empty; give one, or "
                                     "leave the flag out"));
  }
  return flag;
}

}  // namespace

absl::StatusOr<std::vector<FlagLine>> ReadFlagfile(const std::string& path) {
  std::ifstream file(path);
  std::vector<FlagLine> lines;
  std::string text;
  // A folder opens well and fails at the first read.
  for (int number = 1; std::getline(file, text); ++number) {
    const absl::string_view line = absl::StripAsciiWhitespace(text);
    if (line.empty() || line[0] == '#') continue;
    auto flag = ParseLine(line, absl::StrCat(path, ":", number));
    if (!flag.ok()) return flag.status();
    lines.push_back(*std::move(flag));
  }
  if (!file.eof()) {
    return Fault("--flagfile",
                 absl::StrCat(path, " cannot be read: ", std::strerror(errno)));
  }
  return lines;
}

}  // namespace adv
