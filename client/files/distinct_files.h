#ifndef ADV_CLIENT_FILES_DISTINCT_FILES_H_
#define ADV_CLIENT_FILES_DISTINCT_FILES_H_

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace adv {

// A path and the flag that names it: "--out".
struct NamedFile {
  std::string name;
  std::string path;
};

// An error if a file to be written is the same as another one, as one of
// `inputs`, or as the file that standard output or standard error goes to. A
// file is known by device and inode; one that does not exist yet, by its
// folder's and its name. Character devices do not count, because they keep
// nothing that could be lost.
absl::Status CheckDistinct(const std::vector<NamedFile>& outputs,
                           const std::vector<NamedFile>& inputs);

}  // namespace adv

#endif  // ADV_CLIENT_FILES_DISTINCT_FILES_H_
