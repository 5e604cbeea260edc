#include <absl/strings/escaping.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <fcntl.h>
#include <google/protobuf/util/time_util.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <limits>

#include "model_store/durable_file.h"
#include "model_store/manifest.h"
#include "model_store/model_store.h"

namespace adv {
namespace {

namespace fs = std::filesystem;

constexpr std::time_t kStaleSeconds = 86400;  // a day

// 32 random hexadecimal digits: names that no two publishers choose alike.
absl::StatusOr<std::string> RandomName() {
  char bytes[16];
  if (::getentropy(bytes, sizeof(bytes)) != 0) {
    return absl::ErrnoToStatus(errno, "no random bytes for a staging folder");
  }
  return absl::BytesToHexString(absl::string_view(bytes, sizeof(bytes)));
}

// A folder of one publisher. Its end removes the folder and its content.
class StagingFolder {
 public:
  StagingFolder() = default;
  ~StagingFolder() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  StagingFolder(const StagingFolder&) = delete;
  StagingFolder& operator=(const StagingFolder&) = delete;

  // Creates a folder under <root>/.staging.
  absl::Status Create(const fs::path& root) {
    const fs::path staging = root / ".staging";
    absl::Status status = MakeFolder(staging);
    if (!status.ok()) return status;
    RemoveStale(staging);
    auto name = RandomName();
    if (!name.ok()) return name.status();
    const fs::path path = staging / *name;
    if (::mkdir(path.c_str(), 0777) != 0) {
      return FileError(path, "cannot create folder", errno);
    }
    // From here on the folder is this object's, which removes it at its end.
    path_ = path;
    return absl::OkStatus();
  }

  const fs::path& path() const { return path_; }

 private:
  // Removes folders that killed publishers left. A failure is no error, because
  // it only costs space.
  static void RemoveStale(const fs::path& staging) {
    std::error_code error;
    fs::directory_iterator entry(staging, error);
    for (; !error && entry != fs::directory_iterator();
         entry.increment(error)) {
      struct stat info;
      std::error_code ignored;
      // No publisher takes a day, so an older folder has no owner.
      if (::lstat(entry->path().c_str(), &info) == 0 &&
          info.st_mtime < std::time(nullptr) - kStaleSeconds) {
        fs::remove_all(entry->path(), ignored);
      }
    }
  }

  fs::path path_;
};

// Fills in the files with their sizes and digests, which the store knows better
// than its caller. The map gives them in name order, as CheckManifest wants.
void DescribeFiles(const std::map<std::string, std::string>& files,
                   v1::ModelManifest* manifest) {
  manifest->clear_files();
  for (const auto& [name, bytes] : files) {
    v1::StoredFile* file = manifest->add_files();
    file->set_name(name);
    file->set_size(bytes.size());
    file->set_sha256(Sha256Hex(bytes));
  }
}

// The number after the highest name in `folder` and after `tried`. A name
// counts even if it is not a whole version.
absl::StatusOr<uint64_t> NextVersion(const fs::path& folder, uint64_t tried) {
  uint64_t highest = tried;
  std::error_code error;
  fs::directory_iterator entry(folder, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    uint64_t version = 0;
    if (absl::SimpleAtoi(entry->path().filename().string(), &version)) {
      highest = std::max(highest, version);
    }
  }
  if (error) return FileError(folder, "cannot list", error.value());
  if (highest == std::numeric_limits<uint64_t>::max()) {
    return absl::OutOfRangeError(
        absl::StrCat(folder.string(), ": no version after ", highest));
  }
  return highest + 1;
}

// Writes the manifest, the last file, and makes the names of all files durable.
absl::Status WriteManifest(const v1::ModelManifest& manifest,
                           const fs::path& folder) {
  auto json = ManifestToJson(manifest);
  if (!json.ok()) return json.status();
  if (json->size() > kMaxManifestBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("manifest has ", json->size(), " bytes as JSON, at most ",
                     kMaxManifestBytes, " are allowed"));
  }
  absl::Status status = WriteFileSynced(folder / kManifestFile, *json);
  if (!status.ok()) return status;
  return SyncFolder(folder);
}

// Renames `staging` to `target` durably. ALREADY_EXISTS if another publisher
// took the name. A rename that could not be synced is taken back. Which of the
// three errors says that the name is taken depends on what lies there.
absl::Status Rename(const fs::path& staging, const fs::path& target) {
  if (::rename(staging.c_str(), target.c_str()) != 0) {
    const bool taken =
        errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR;
    return FileError(target, "cannot publish", taken ? EEXIST : errno);
  }
  absl::Status status = SyncFolder(target.parent_path());
  if (!status.ok()) ::rename(target.c_str(), staging.c_str());
  return status;
}

}  // namespace

absl::StatusOr<uint64_t> ModelStore::Publish(
    v1::ModelManifest manifest,
    const std::map<std::string, std::string>& files) const {
  manifest.set_schema_version(kManifestSchemaVersion);
  // The real version is known only in the loop below; 1 stands for it in the
  // check.
  manifest.set_version(1);
  *manifest.mutable_published_at() =
      google::protobuf::util::TimeUtil::GetCurrentTime();
  DescribeFiles(files, &manifest);
  absl::Status status = CheckManifest(manifest, manifest.name(), 1);
  if (!status.ok()) return status;

  StagingFolder staging;
  status = staging.Create(root_);
  for (const auto& [name, bytes] : files) {
    if (status.ok()) status = WriteFileSynced(staging.path() / name, bytes);
  }
  const fs::path folder = fs::path(root_) / manifest.name();
  if (status.ok()) status = MakeFolder(folder);
  if (!status.ok()) return status;

  uint64_t version = 0;
  // Another publisher may take a number between the look and the rename. The
  // rename then fails and the next number is tried.
  do {
    auto next = NextVersion(folder, version);
    if (!next.ok()) return next.status();
    version = *next;
    manifest.set_version(version);
    // A number that was taken needs another manifest; the other files stay.
    status = WriteManifest(manifest, staging.path());
    if (status.ok()) {
      status = Rename(staging.path(), folder / std::to_string(version));
    }
  } while (absl::IsAlreadyExists(status));
  if (!status.ok()) return status;
  return version;
}

absl::Status ModelStore::CheckWritable(uint64_t bytes) const {
  StagingFolder staging;
  absl::Status status = staging.Create(root_);
  if (!status.ok()) return status;
  // The end of the staging folder gives the reserved space back.
  const std::string path = staging.path() / "space";
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  if (fd < 0) return FileError(path, "cannot create", errno);
  // Reserving takes no time, and fails on a full disk as writing would.
  const off_t size = static_cast<off_t>(
      std::min<uint64_t>(bytes, std::numeric_limits<off_t>::max()));
  const int failure = size == 0 ? 0 : ::posix_fallocate(fd, 0, size);
  ::close(fd);
  if (failure == 0) return absl::OkStatus();
  return FileError(path, absl::StrCat("cannot reserve ", bytes, " bytes"),
                   failure);
}

}  // namespace adv
