#ifndef ADV_CLIENT_FILES_OUTPUT_FILE_H_
#define ADV_CLIENT_FILES_OUTPUT_FILE_H_

#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace adv {

// Where a chain of symbolic links ends, whether or not there is something.
std::filesystem::path FollowLinks(std::filesystem::path path);

// Writes the pieces one after the other. A regular file is replaced in one
// step and keeps its mode: all of it is there, or what was there before.
// Anything else that exists (a pipe, a terminal, /dev/null) is written through
// and stays what it is. A symbolic link stays, too: its target is written.
// Errors name the path.
absl::Status WriteOutput(const std::string& path,
                         const std::vector<absl::string_view>& pieces);

// An error if WriteOutput could not write there: asked before a long call.
absl::Status CheckWritable(const std::string& path);

}  // namespace adv

#endif  // ADV_CLIENT_FILES_OUTPUT_FILE_H_
