#include "model_store/folder_lock.h"

#include <absl/strings/str_cat.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "model_store/durable_file.h"

namespace adv {

absl::StatusOr<FolderLock> FolderLock::Acquire(const std::string& folder) {
  std::string path = absl::StrCat(folder, "/.lock");
  // Close-on-exec, since a child with the descriptor would keep the lock.
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (fd < 0) return FileError(path, "cannot create", errno);
  FolderLock lock(std::move(path), fd);
  // The file is never removed: a process could then lock a file that has no
  // name any more, beside another process with a new one.
  while (::flock(fd, LOCK_EX) != 0) {
    if (errno != EINTR) return FileError(lock.path_, "cannot lock", errno);
  }
  return lock;
}

FolderLock::FolderLock(FolderLock&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}

FolderLock::~FolderLock() {
  // Closing the last descriptor of this open file releases the lock.
  if (fd_ >= 0) ::close(fd_);
}

absl::StatusOr<double> FolderLock::Now() const {
  struct stat info;
  if (::futimens(fd_, nullptr) != 0 || ::fstat(fd_, &info) != 0) {
    return FileError(path_, "cannot touch", errno);
  }
  return static_cast<double>(info.st_mtim.tv_sec) +
         1e-9 * static_cast<double>(info.st_mtim.tv_nsec);
}

}  // namespace adv
