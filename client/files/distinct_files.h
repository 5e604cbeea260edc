#ifndef ADV_CLIENT_FILES_DISTINCT_FILES_H_
#define ADV_CLIENT_FILES_DISTINCT_FILES_H_

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace adv {

// A path and where it was given: "--out".
struct NamedFile {
  std::string name;
  std::string path;
};

// An error if a file that will be written is another one of them, one of
// `inputs`, or where standard output or standard error goes. Files are told
// apart by device and inode; one that is still to be made by its folder's and
// its name. Character devices keep nothing that could be lost.
absl::Status CheckDistinct(const std::vector<NamedFile>& outputs,
                           const std::vector<NamedFile>& inputs);

}  // namespace adv

#endif  // ADV_CLIENT_FILES_DISTINCT_FILES_H_
