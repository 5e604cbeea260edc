#ifndef ADV_CLIENT_SESSION_FIND_PROGRAM_H_
#define ADV_CLIENT_SESSION_FIND_PROGRAM_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace adv {

// The path of another program of this project, such as "advserver". The
// environment variable `named_in` decides if it is set. Otherwise it is the
// first of: beside this program, in `build_folder` of the build tree
// ("server"), on PATH. UNAVAILABLE if there is none.
absl::StatusOr<std::string> FindProgram(const std::string& program,
                                        const char* named_in,
                                        const std::string& build_folder);

// The environment of such a program, as exec takes it: this process's without
// the variables ADV_..., which are the flags of other servers. Points into the
// environment, which must not change meanwhile.
std::vector<char*> EnvironmentOfPrograms();

}  // namespace adv

#endif  // ADV_CLIENT_SESSION_FIND_PROGRAM_H_
