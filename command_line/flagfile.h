#ifndef ADV_COMMAND_LINE_FLAGFILE_H_
#define ADV_COMMAND_LINE_FLAGFILE_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace adv {

// A line --NAME=VALUE, or --NAME of a flag that needs no value.
struct FlagLine {
  std::string name;                  // without dashes
  std::optional<std::string> value;  // never empty
  std::string place;                 // FILE:LINE
};

// The lines of a flagfile. Empty lines and those that begin with # are left
// out, and so are blanks around a line; values are taken as they stand, without
// quotes. Errors name the file, and the line: it cannot be read, a line is
// none of the above, or names another flagfile.
absl::StatusOr<std::vector<FlagLine>> ReadFlagfile(const std::string& path);

}  // namespace adv

#endif  // ADV_COMMAND_LINE_FLAGFILE_H_
