#include "client/files/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/printers/visible.h"

namespace adv {
namespace {

namespace fs = std::filesystem;

constexpr int kMostLinks = 40;  // the kernel's own limit

absl::Status WrongFile(const std::string& path, const std::string& why) {
  return absl::InvalidArgumentError(Visible(absl::StrCat(path, ": ", why)));
}

absl::Status CannotWrite(const std::string& path, int error) {
  return WrongFile(path,
                   absl::StrCat("cannot be written: ", std::strerror(error)));
}

// Writes all pieces and closes `fd`. Returns 0 or the errno of the failure.
int WriteAndClose(int fd, const std::vector<absl::string_view>& pieces) {
  int error = 0;
  for (absl::string_view left : pieces) {
    while (error == 0 && !left.empty()) {
      const ssize_t written = write(fd, left.data(), left.size());
      if (written >= 0) {
        // A pipe may take a part only; the loop goes on with the rest.
        left.remove_prefix(static_cast<std::size_t>(written));
      } else if (errno != EINTR) {
        error = errno;
      }
    }
  }
  // Some file systems report a failed write only here.
  if (close(fd) != 0 && error == 0) error = errno;
  return error;
}

// Describes the file at `path`, through links; a mode of 0 if there is none.
absl::Status Look(const std::string& path, struct stat* info) {
  *info = {};
  if (stat(path.c_str(), info) == 0) {
    return S_ISDIR(info->st_mode) ? WrongFile(path, "is a folder, not a file")
                                  : absl::OkStatus();
  }
  return errno == ENOENT ? absl::OkStatus() : CannotWrite(path, errno);
}

// Whether a new file takes its place: there is none, or it is a regular one.
// Pipes and devices are written to instead, because a rename would remove them.
bool IsReplaced(const struct stat& info) {
  return info.st_mode == 0 || S_ISREG(info.st_mode);
}

}  // namespace

fs::path FollowLinks(fs::path path) {
  std::error_code error;
  for (int i = 0; i < kMostLinks; ++i) {
    const fs::path next = fs::read_symlink(path, error);
    if (error) break;  // it is no link
    // A relative target counts from the link's folder; an absolute one replaces
    // the path as a whole.
    path = path.parent_path() / next;
  }
  return path;
}

absl::Status WriteOutput(const std::string& path,
                         const std::vector<absl::string_view>& pieces,
                         mode_t mode) {
  struct stat info;
  if (auto status = Look(path, &info); !status.ok()) return status;
  if (!IsReplaced(info)) {
    const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
    const int error = fd < 0 ? errno : WriteAndClose(fd, pieces);
    return error == 0 ? absl::OkStatus() : CannotWrite(path, error);
  }
  // The link stays, because the file at its end is replaced.
  const std::string target = FollowLinks(path).string();
  // The draft is beside the target, because a rename cannot leave a file
  // system.
  const std::string draft = absl::StrCat(target, ".part-", getpid());
  unlink(draft.c_str());  // left by a process that had this number
  const int fd =
      open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (fd < 0) return CannotWrite(path, errno);
  // The new file takes the place of the old one, so it takes its mode, too.
  if (info.st_mode != 0) fchmod(fd, info.st_mode & 0777);
  int error = WriteAndClose(fd, pieces);
  if (error == 0 && std::rename(draft.c_str(), target.c_str()) != 0) {
    error = errno;
  }
  if (error == 0) return absl::OkStatus();
  unlink(draft.c_str());
  return CannotWrite(path, error);
}

absl::Status CheckWritable(const std::string& path) {
  struct stat info;
  if (auto status = Look(path, &info); !status.ok()) return status;
  if (!IsReplaced(info)) {
    return access(path.c_str(), W_OK) == 0 ? absl::OkStatus()
                                           : CannotWrite(path, errno);
  }
  // A file that is replaced may be read-only: only its folder must be writable.
  fs::path folder = FollowLinks(path).parent_path();
  if (folder.empty()) folder = ".";
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    return WrongFile(path,
                     absl::StrCat("cannot be written: there is no folder ",
                                  folder.string()));
  }
  return access(folder.c_str(), W_OK | X_OK) == 0 ? absl::OkStatus()
                                                  : CannotWrite(path, errno);
}

}  // namespace adv
