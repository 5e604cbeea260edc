#ifndef ADV_MODEL_STORE_DURABLE_FILE_H_
#define ADV_MODEL_STORE_DURABLE_FILE_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>

#include <cstdint>
#include <string>

namespace adv {

// Files that survive a kill or a power cut. Every error starts with the path.
// Its code is RESOURCE_EXHAUSTED for a full disk or quota, PERMISSION_DENIED if
// writing is forbidden or the file system is read-only, and NOT_FOUND for a
// missing file or folder.

// The status of a failed system call on `path`, from its errno.
absl::Status FileError(const std::string& path, absl::string_view action,
                       int error_number);

// The whole content of a regular file. DATA_LOSS if it is not a regular file,
// if it has more than `max_bytes` (it allocates nothing then), or if its length
// changes while it is read.
absl::StatusOr<std::string> ReadFile(const std::string& path,
                                     uint64_t max_bytes);

// Replaces the file at `path` in one step: a reader, also after a crash, finds
// either all of the old bytes or all of the new ones. OK means that the new
// bytes are on the disk; after an error the file holds the old bytes or the new
// ones. If `path` is a symbolic link, the link stays and its target is
// replaced. A pipe or a device stays, and is FAILED_PRECONDITION. The bytes go
// to <path>.tmp first (for a link to <target>.tmp), so a file may have one
// writer at a time.
absl::Status WriteFileDurably(const std::string& path, absl::string_view bytes);

// Writes a file and syncs it, but not its folder. Not atomic: a crash or an
// error may leave a part of it.
absl::Status WriteFileSynced(const std::string& path, absl::string_view bytes);

// Makes the changes to a folder's names durable: created, removed and renamed
// ones.
absl::Status SyncFolder(const std::string& path);

// Creates a folder and its missing parents, durably. OK if it is there.
absl::Status MakeFolder(const std::string& path);

}  // namespace adv

#endif  // ADV_MODEL_STORE_DURABLE_FILE_H_
