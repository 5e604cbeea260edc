#ifndef ADV_CLIENT_FILES_NEW_FOLDER_H_
#define ADV_CLIENT_FILES_NEW_FOLDER_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace adv {

// An error unless a folder can be made at `path`: the path must be free or an
// empty folder, and its parent must be writable. To be asked before a long
// call.
absl::Status CheckNewFolder(const std::string& path);

// A folder that appears whole or not at all. It is filled beside its place,
// under another name, and Keep moves it there.
class NewFolder {
 public:
  static absl::StatusOr<std::unique_ptr<NewFolder>> Make(
      const std::string& path);
  // Removes the folder unless Keep has moved it.
  ~NewFolder();
  NewFolder(const NewFolder&) = delete;
  NewFolder& operator=(const NewFolder&) = delete;

  // The folder to write to until Keep.
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
