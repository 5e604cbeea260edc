#ifndef ADV_MODEL_STORE_FOLDER_LOCK_H_
#define ADV_MODEL_STORE_FOLDER_LOCK_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <string>
#include <utility>

namespace adv {

// The one lock of a folder, flock(2) on its file ".lock": holders exclude each
// other across threads, processes and, where the file system does so, hosts.
// It ends with its process, however that ends; the file stays.
class FolderLock {
 public:
  // Waits for its turn. Errors name the file: NOT_FOUND for a missing folder,
  // PERMISSION_DENIED, RESOURCE_EXHAUSTED on a full disk; a file system
  // without locks is an error too.
  static absl::StatusOr<FolderLock> Acquire(const std::string& folder);

  FolderLock(FolderLock&& other) noexcept;
  FolderLock& operator=(FolderLock&&) = delete;
  ~FolderLock();

  // The time of whoever keeps the folder's files, in seconds since the epoch:
  // touches the lock's file and reads back the time that it was given. To
  // compare with times of files there; the clock of this host plays no part.
  absl::StatusOr<double> Now() const;

 private:
  FolderLock(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

  std::string path_;
  int fd_;
};

}  // namespace adv

#endif  // ADV_MODEL_STORE_FOLDER_LOCK_H_
