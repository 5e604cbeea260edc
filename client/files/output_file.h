#ifndef ADV_CLIENT_FILES_OUTPUT_FILE_H_
#define ADV_CLIENT_FILES_OUTPUT_FILE_H_

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace adv {

// The end of a chain of symbolic links, whether or not a file is there.
std::filesystem::path FollowLinks(std::filesystem::path path);

// Writes the pieces one after the other. A regular file is replaced in one step
// and keeps its mode: it holds either all of the new content or the old one. A
// new one has `mode` as far as the umask allows it.
// Other things that exist (a pipe, a terminal, /dev/null) are written to and
// stay what they are. A symbolic link stays, too, and its target is written.
// Errors name the path.
absl::Status WriteOutput(const std::string& path,
                         const std::vector<absl::string_view>& pieces,
                         mode_t mode = 0666);

// An error if WriteOutput could not write there. To be asked before a long
// call.
absl::Status CheckWritable(const std::string& path);

}  // namespace adv

#endif  // ADV_CLIENT_FILES_OUTPUT_FILE_H_
