#ifndef ADV_CLIENT_PRINTERS_VISIBLE_H_
#define ADV_CLIENT_PRINTERS_VISIBLE_H_

#include <string>

#include "absl/strings/string_view.h"

namespace adv {

// Text from outside (names, messages of a server, paths) as it may go to a
// terminal or into CSV: control characters become \n, \t, \x1b and the like,
// those beyond ASCII, and those that turn the direction of text, \u009b;
// bytes that are no UTF-8 become \xff. Nothing else changes.
std::string Visible(absl::string_view text);

// The same line by line: newlines stay.
std::string VisibleLines(absl::string_view text);

}  // namespace adv

#endif  // ADV_CLIENT_PRINTERS_VISIBLE_H_
