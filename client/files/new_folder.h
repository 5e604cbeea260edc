#ifndef ADV_CLIENT_FILES_NEW_FOLDER_H_
#define ADV_CLIENT_FILES_NEW_FOLDER_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace adv {

// An error unless a folder can be made there: the path is free or an empty
// folder, and what it stands in can be written. Asked before a long call.
absl::Status CheckNewFolder(const std::string& path);

// A folder that appears whole or not at all: filled beside its place, under
// another name, and put there by Keep.
class NewFolder {
 public:
  static absl::StatusOr<std::unique_ptr<NewFolder>> Make(
      const std::string& path);
  // Removes what was not kept.
  ~NewFolder();
  NewFolder(const NewFolder&) = delete;
  NewFolder& operator=(const NewFolder&) = delete;

  // Where to write until Keep.
  const std::string& draft() const { return draft_; }

  // Makes a folder in the draft; the name must be new. Returns its path.
  absl::StatusOr<std::string> MakeFolder(const std::string& name);

  absl::Status Keep();

 private:
  NewFolder(std::string path, std::string draft)
      : path_(std::move(path)), draft_(std::move(draft)) {}

  const std::string path_;
  const std::string draft_;
};

}  // namespace adv

#endif  // ADV_CLIENT_FILES_NEW_FOLDER_H_
