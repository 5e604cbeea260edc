#ifndef ADV_CLIENT_SESSION_FIND_PROGRAM_H_
#define ADV_CLIENT_SESSION_FIND_PROGRAM_H_

#include <string>

#include "absl/status/statusor.h"

namespace adv {

// The path of another program of ours, "advserver": what the environment
// variable `named_in` says, or else beside this program, in the `build_folder`
// of the build tree, "server", or on PATH. UNAVAILABLE if there is none.
absl::StatusOr<std::string> FindProgram(const std::string& program,
                                        const char* named_in,
                                        const std::string& build_folder);

}  // namespace adv

#endif  // ADV_CLIENT_SESSION_FIND_PROGRAM_H_
