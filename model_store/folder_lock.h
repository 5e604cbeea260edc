#ifndef ADV_MODEL_STORE_FOLDER_LOCK_H_
#define ADV_MODEL_STORE_FOLDER_LOCK_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <string>
#include <utility>

namespace adv {

// The one lock of a folder: flock(2) on its file ".lock". Holders exclude each
// other across threads, processes and, if the file system supports it, hosts.
// The lock ends with its process, however the process ends. The file stays.
class FolderLock {
 public:
  // Waits for its turn. Errors name the file: NOT_FOUND for a missing folder,
  // PERMISSION_DENIED, RESOURCE_EXHAUSTED on a full disk. A file system without
  // locks is an error, too.
  static absl::StatusOr<FolderLock> Acquire(const std::string& folder);

  FolderLock(FolderLock&& other) noexcept;
  FolderLock& operator=(FolderLock&&) = delete;
  ~FolderLock();

  // The time of the machine that keeps the folder's files, in seconds since the
  // epoch. Now touches the lock's file and reads back the time that the file
  // was given. It is meant for comparison with times of files in the folder;
  // this host's clock plays no part.
  absl::StatusOr<double> Now() const;

 private:
  FolderLock(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

  std::string path_;
  int fd_;
};

}  // namespace adv

#endif  // ADV_MODEL_STORE_FOLDER_LOCK_H_
