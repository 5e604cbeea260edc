#ifndef ADV_COMMAND_LINE_EMPTY_VALUE_H_
#define ADV_COMMAND_LINE_EMPTY_VALUE_H_

#include "absl/status/status.h"

namespace adv {

// INVALID_ARGUMENT with the flag's name if a value is empty: a word that is
// empty, or a flag that ends in "=". Words after "--" are no flags.
absl::Status CheckNoEmptyValue(int argc, const char* const* argv);

}  // namespace adv

#endif  // ADV_COMMAND_LINE_EMPTY_VALUE_H_
