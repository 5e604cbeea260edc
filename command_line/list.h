#ifndef ADV_COMMAND_LINE_LIST_H_
#define ADV_COMMAND_LINE_LIST_H_

#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace adv {

// The members of a list with commas between, without the blanks around them.
// INVALID_ARGUMENT if one is empty.
absl::StatusOr<std::vector<std::string>> SplitList(absl::string_view text);

// Adds an option that takes such lists, in one value or several. What is given
// takes the place of what `list` holds; of members that are there twice the
// first counts.
CLI::Option* AddList(CLI::App* app, const std::string& flag,
                     std::vector<std::string>* list, const std::string& help);

}  // namespace adv

#endif  // ADV_COMMAND_LINE_LIST_H_
