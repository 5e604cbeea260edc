#ifndef ADV_CLIENT_FLAG_ERRORS_H_
#define ADV_CLIENT_FLAG_ERRORS_H_

#include "absl/status/status.h"

namespace adv {

// What is wrong with a flag's value: each line of the error with the flag
// before it, all but the first indented.
absl::Status FlagError(const char* flag, const absl::Status& status);

// Both, one below the other; either may be OK, or both.
absl::Status BothErrors(const absl::Status& first, const absl::Status& second);

}  // namespace adv

#endif  // ADV_CLIENT_FLAG_ERRORS_H_
