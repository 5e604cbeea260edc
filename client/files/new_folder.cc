#include "client/files/new_folder.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "client/files/output_file.h"
#include "client/printers/visible.h"

namespace adv {
namespace {

namespace fs = std::filesystem;

absl::Status WrongFolder(const std::string& path, const std::string& why) {
  return absl::InvalidArgumentError(Visible(absl::StrCat(path, ": ", why)));
}

// The path at the end of all links, without "/." or "/" at the end, so that it
// has a parent. The cleaning comes before the links, too: a link with a slash
// after it is not seen as a link.
fs::path Clean(const std::string& path) {
  const auto clean = [](const fs::path& any) {
    std::error_code error;
    const fs::path whole = fs::absolute(any, error).lexically_normal();
    return whole.has_filename() ? whole : whole.parent_path();
  };
  return clean(FollowLinks(clean(path)));
}

}  // namespace

absl::Status CheckNewFolder(const std::string& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (fs::exists(status) && !fs::is_directory(status)) {
    return WrongFolder(path, "is a file; give a new or empty folder");
  }
  // Files that are there already must not mix with new ones.
  if (fs::is_directory(status) && !fs::is_empty(path, error)) {
    return WrongFolder(path, "is not empty; give a new or empty folder");
  }
  // The folder is moved into its parent, so the parent must allow that.
  const fs::path parent = Clean(path).parent_path();
  if (!fs::is_directory(parent, error)) {
    return WrongFolder(path, absl::StrCat("cannot be made: there is no folder ",
                                          parent.string()));
  }
  if (access(parent.c_str(), W_OK | X_OK) != 0) {
    return WrongFolder(path, absl::StrCat("cannot be made: ", parent.string(),
                                          ": ", std::strerror(errno)));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<NewFolder>> NewFolder::Make(
    const std::string& path) {
  auto status = CheckNewFolder(path);
  if (!status.ok()) return status;
  const std::string whole = Clean(path).string();
  // The draft is beside the place where it will stand, because a rename cannot
  // leave a file system.
  const std::string draft = absl::StrCat(whole, ".part-", getpid());
  std::error_code error;
  // A process with the same number may have died and left it.
  fs::remove_all(draft, error);
  if (!fs::create_directory(draft, error)) {
    return WrongFolder(path, absl::StrCat("cannot be made: ", error.message()));
  }
  return std::unique_ptr<NewFolder>(new NewFolder(whole, draft));
}

NewFolder::~NewFolder() {
  std::error_code ignored;
  // After Keep nothing has this name.
  fs::remove_all(draft_, ignored);
}

absl::StatusOr<std::string> NewFolder::MakeFolder(const std::string& name) {
  std::string path = absl::StrCat(draft_, "/", name);
  std::error_code error;
  if (fs::create_directory(path, error)) return path;
  return WrongFolder(path,
                     absl::StrCat("cannot be made: ",
                                  error ? error.message() : "it is there"));
}

absl::Status NewFolder::Keep() {
  std::error_code error;
  fs::rename(draft_, path_, error);  // replaces an empty folder, too
  if (!error) return absl::OkStatus();
  return WrongFolder(path_, absl::StrCat("cannot be made: ", error.message()));
}

}  // namespace adv
