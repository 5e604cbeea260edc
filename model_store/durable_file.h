#ifndef ADV_MODEL_STORE_DURABLE_FILE_H_
#define ADV_MODEL_STORE_DURABLE_FILE_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>

#include <cstdint>
#include <string>

namespace adv {

// Files that survive a kill or a power cut. Every error starts with the path;
// its code is RESOURCE_EXHAUSTED for a full disk or quota, PERMISSION_DENIED
// where writing is forbidden or the file system is read-only, NOT_FOUND for a
// missing file or folder.

// The status of a failed system call on `path`, from its errno.
absl::Status FileError(const std::string& path, absl::string_view action,
                       int error_number);

// The whole of a regular file. DATA_LOSS if it is none, if it has more than
// `max_bytes` (nothing is allocated then) or if it changes its length while it
// is read.
absl::StatusOr<std::string> ReadFile(const std::string& path,
                                     uint64_t max_bytes);

// Replaces the file at `path` in one step: whoever opens it, also after a
// crash, finds either all of the old bytes or all of the new ones. OK means
// that the new ones are on the disk; after an error it is one or the other.
// A symbolic link stays, its target is replaced; a pipe or a device stays and
// is FAILED_PRECONDITION. Writes to <path>.tmp first (of a link <target>.tmp),
// so a file may have one writer at a time.
absl::Status WriteFileDurably(const std::string& path, absl::string_view bytes);

// Writes a file and syncs it, but not its folder. Not atomic: a crash or an
// error may leave a part of it.
absl::Status WriteFileSynced(const std::string& path, absl::string_view bytes);

// Makes the names in a folder durable: created, removed and renamed ones.
absl::Status SyncFolder(const std::string& path);

// Creates a folder and its missing parents, durably. OK if it is there.
absl::Status MakeFolder(const std::string& path);

}  // namespace adv

#endif  // ADV_MODEL_STORE_DURABLE_FILE_H_
