#ifndef ADV_CLIENT_PRINTERS_VISIBLE_H_
#define ADV_CLIENT_PRINTERS_VISIBLE_H_

#include <string>

#include "absl/strings/string_view.h"

namespace adv {

// Makes text from outside (names, messages of a server, paths) safe for a
// terminal or CSV. Control characters become \n, \t, \x1b and the like. Control
// characters beyond ASCII, and those that change the direction of text, become
// \u009b and the like. Bytes that are not UTF-8 become \xff. Nothing else
// changes.
std::string Visible(absl::string_view text);

// The same line by line: newlines stay.
std::string VisibleLines(absl::string_view text);

}  // namespace adv

#endif  // ADV_CLIENT_PRINTERS_VISIBLE_H_
