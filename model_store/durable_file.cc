#include "model_store/durable_file.h"

#include <absl/strings/str_cat.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

namespace adv {
namespace {

// Closes a file descriptor when it goes out of scope.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  // Some file systems report a failed write only here.
  int Close() { return ::close(std::exchange(fd_, -1)); }

 private:
  int fd_;
};

// The folder of `path`, in a form that can be opened: "." for a bare name.
std::string ParentOf(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path();
  return parent.empty() ? "." : parent;
}

// A call may write a part only, and a signal may interrupt it before it begins.
absl::Status WriteAll(int fd, const std::string& path,
                      absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written >= 0) {
      bytes.remove_prefix(static_cast<size_t>(written));
    } else if (errno != EINTR) {
      return FileError(path, "cannot write", errno);
    }
  }
  return absl::OkStatus();
}

// The end of a chain of symbolic links, whether or not a file is there.
std::string FollowLinks(const std::string& path) {
  constexpr int kMostLinks = 40;  // the kernel's own limit
  std::filesystem::path target = path;
  std::error_code error;
  for (int i = 0; i < kMostLinks; ++i) {
    const std::filesystem::path next =
        std::filesystem::read_symlink(target, error);
    if (error) break;  // it is no link
    // A relative link starts at the link's own folder; an absolute one replaces
    // it.
    target = target.parent_path() / next;
  }
  return target.string();
}

// An error if `path` holds something that a file cannot replace. A folder
// passes: the rename refuses it with a clear reason of its own.
absl::Status CheckReplaceable(const std::string& path) {
  struct stat info;
  if (::stat(path.c_str(), &info) != 0) {
    // A link that leads nowhere comes here, too: the file is made where it
    // leads.
    return errno == ENOENT ? absl::OkStatus()
                           : FileError(path, "cannot replace", errno);
  }
  if (S_ISREG(info.st_mode) || S_ISDIR(info.st_mode)) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      path, ": not a regular file, which alone can be written durably"));
}

// Fills `bytes` and returns the number of bytes read, which is less than `size`
// only at the file's end.
absl::StatusOr<size_t> ReadUpTo(int fd, const std::string& path, char* bytes,
                                size_t size) {
  size_t done = 0;
  while (done < size) {
    const ssize_t got = ::read(fd, bytes + done, size - done);
    if (got == 0) break;
    if (got > 0) {
      done += static_cast<size_t>(got);
    } else if (errno != EINTR) {
      return FileError(path, "cannot read", errno);
    }
  }
  return done;
}

}  // namespace

absl::Status FileError(const std::string& path, absl::string_view action,
                       int error_number) {
  absl::StatusCode code = absl::ErrnoToStatusCode(error_number);
  switch (error_number) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      // absl's own mapping gives some of these other codes, but callers treat
      // all of them as a full disk.
      code = absl::StatusCode::kResourceExhausted;
      break;
    case EACCES:
    case EPERM:
    case EROFS:
      code = absl::StatusCode::kPermissionDenied;
      break;
    default:
      break;
  }
  return {code, absl::StrCat(path, ": ", action, ": ", strerror(error_number))};
}

absl::StatusOr<std::string> ReadFile(const std::string& path,
                                     uint64_t max_bytes) {
  // O_NONBLOCK, because opening a pipe would otherwise wait for a writer.
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat info;
  if (file.get() < 0 || ::fstat(file.get(), &info) != 0) {
    return FileError(path, "cannot open", errno);
  }
  if (!S_ISREG(info.st_mode)) {
    return absl::DataLossError(absl::StrCat(path, ": not a regular file"));
  }
  const auto size = static_cast<uint64_t>(info.st_size);
  if (size > max_bytes) {
    return absl::DataLossError(absl::StrCat(
        path, ": has ", size, " bytes, at most ", max_bytes, " are allowed"));
  }
  std::string bytes(size, '\0');
  auto got = ReadUpTo(file.get(), path, bytes.data(), size);
  if (!got.ok()) return got.status();
  // One byte more than expected shows a file that grew.
  char next;
  auto more = ReadUpTo(file.get(), path, &next, 1);
  if (!more.ok()) return more.status();
  if (*got != size || *more != 0) {
    return absl::DataLossError(
        absl::StrCat(path, ": its length changed while it was read"));
  }
  return bytes;
}

absl::Status WriteFileSynced(const std::string& path, absl::string_view bytes) {
  Descriptor file(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (file.get() < 0) return FileError(path, "cannot create", errno);
  absl::Status status = WriteAll(file.get(), path, bytes);
  if (!status.ok()) return status;
  if (::fsync(file.get()) != 0) return FileError(path, "cannot sync", errno);
  if (file.Close() != 0) return FileError(path, "cannot close", errno);
  return absl::OkStatus();
}

absl::Status WriteFileDurably(const std::string& path,
                              absl::string_view bytes) {
  absl::Status status = CheckReplaceable(path);
  if (!status.ok()) return status;
  const std::string target = FollowLinks(path);
  // In the same folder, since a rename cannot leave its file system.
  const std::string temporary = target + ".tmp";
  ::unlink(temporary.c_str());  // a link left there must not be written through
  // The bytes are on the disk before the rename, or a crash could leave the new
  // name with no bytes.
  status = WriteFileSynced(temporary, bytes);
  if (status.ok() && ::rename(temporary.c_str(), target.c_str()) != 0) {
    status = FileError(path, "cannot replace", errno);
  }
  if (!status.ok()) {
    ::unlink(temporary.c_str());
    return status;
  }
  // Without this a power cut could bring the old file back after an OK.
  return SyncFolder(ParentOf(target));
}

absl::Status SyncFolder(const std::string& path) {
  Descriptor folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() < 0) return FileError(path, "cannot open", errno);
  // Some network file systems report EINVAL because they cannot sync a folder;
  // they need no sync either.
  if (::fsync(folder.get()) != 0 && errno != EINVAL) {
    return FileError(path, "cannot sync", errno);
  }
  return absl::OkStatus();
}

absl::Status MakeFolder(const std::string& path) {
  const std::string parent = ParentOf(path);
  int failure = ::mkdir(path.c_str(), 0777) == 0 ? 0 : errno;
  // The root is its own parent, and "." has none that mkdir could make.
  if (failure == ENOENT && parent != path && parent != ".") {
    absl::Status status = MakeFolder(parent);
    if (!status.ok()) return status;
    failure = ::mkdir(path.c_str(), 0777) == 0 ? 0 : errno;
  }
  if (failure == EEXIST) {
    std::error_code ignored;
    const bool is_folder = std::filesystem::is_directory(path, ignored);
    failure = is_folder ? 0 : ENOTDIR;
  }
  if (failure != 0) return FileError(path, "cannot create folder", failure);
  // Also syncs if the folder was there: its creator may have died before
  // syncing.
  return SyncFolder(parent);
}

}  // namespace adv
