#include "model_store/model_store.h"

#include <absl/strings/ascii.h>
#include <absl/strings/escaping.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <openssl/sha.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <tuple>
#include <utility>

#include "model_store/durable_file.h"
#include "model_store/manifest.h"

namespace adv {
namespace {

namespace fs = std::filesystem;

// The version that a folder's name stands for, 0 if none. "7" is a version,
// "07" is none: two names would mean the same version.
uint64_t VersionOf(const std::string& name) {
  uint64_t version = 0;
  const bool is_number = absl::SimpleAtoi(name, &version);
  return is_number && absl::StrCat(version) == name ? version : 0;
}

// The names in a folder, in no particular order.
absl::StatusOr<std::vector<std::string>> NamesIn(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  fs::directory_iterator entry(folder, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    names.push_back(entry->path().filename());
  }
  if (error) return FileError(folder, "cannot list", error.value());
  return names;
}

// The same fault as DATA_LOSS, with the path in front: whatever the check calls
// it, what lies in the store is not sound.
absl::Status AtPath(const fs::path& path, const absl::Status& status) {
  return absl::DataLossError(
      absl::StrCat(path.string(), ": ", status.message()));
}

absl::Status NotPublished(const fs::path& folder) {
  return absl::NotFoundError(
      absl::StrCat(folder.string(), ": no such version is published"));
}

// OK if the folder holds the listed files, the manifest and nothing else.
absl::Status CheckNames(const fs::path& folder,
                        const v1::ModelManifest& manifest) {
  auto names = NamesIn(folder);
  if (!names.ok()) return names.status();
  std::set<std::string> unlisted(names->begin(), names->end());
  unlisted.erase(kManifestFile);
  for (const v1::StoredFile& file : manifest.files()) {
    if (unlisted.erase(file.name()) == 0) {
      return absl::DataLossError(absl::StrCat((folder / file.name()).string(),
                                              ": is missing, but ",
                                              kManifestFile, " lists it"));
    }
  }
  if (!unlisted.empty()) {
    return absl::DataLossError(
        absl::StrCat(folder.string(), ": holds ", Quoted(*unlisted.begin()),
                     ", but ", kManifestFile, " does not list it"));
  }
  return absl::OkStatus();
}

// The bytes of a file that the manifest lists. DATA_LOSS if their number or
// their digest is not the listed one.
absl::StatusOr<std::string> ReadVerified(const fs::path& path,
                                         const v1::StoredFile& listed) {
  std::error_code error;
  const uint64_t size = fs::file_size(path, error);
  if (!error && size != listed.size()) {
    return absl::DataLossError(absl::StrCat(path.string(), ": has ", size,
                                            " bytes, but ", kManifestFile,
                                            " says ", listed.size()));
  }
  // The size above gives a clear message; this limit holds even if the file
  // grows in between.
  auto bytes = ReadFile(path, listed.size());
  if (!bytes.ok()) return bytes.status();
  const std::string digest = Sha256Hex(*bytes);
  if (digest != listed.sha256()) {
    return absl::DataLossError(absl::StrCat(path.string(), ": has SHA-256 ",
                                            digest, ", but ", kManifestFile,
                                            " says ", listed.sha256()));
  }
  return bytes;
}

}  // namespace

std::string StoredModel::digest() const {
  for (const v1::StoredFile& file : manifest.files()) {
    if (file.name() == MainFile(manifest.format())) return file.sha256();
  }
  return "";
}

std::string Sha256Hex(absl::string_view bytes) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
         digest);
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest), sizeof(digest)));
}

ModelStore::ModelStore(std::string root) : root_(std::move(root)) {}

absl::StatusOr<std::vector<ModelVersion>> ModelStore::List() const {
  auto names = NamesIn(root_);
  if (!names.ok()) return names.status();
  std::vector<ModelVersion> found;
  for (const std::string& name : *names) {
    const fs::path folder = fs::path(root_) / name;
    std::error_code ignored;
    if (!IsValidModelName(name) || !fs::is_directory(folder, ignored)) continue;
    auto versions = NamesIn(folder);
    if (!versions.ok()) return versions.status();
    for (const std::string& version : *versions) {
      // The manifest is written last; a folder without one is no version.
      if (VersionOf(version) != 0 &&
          fs::exists(folder / version / kManifestFile, ignored)) {
        found.push_back({name, VersionOf(version)});
      }
    }
  }
  std::sort(found.begin(), found.end(),
            [](const ModelVersion& a, const ModelVersion& b) {
              return std::tie(a.name, a.version) < std::tie(b.name, b.version);
            });
  return found;
}

absl::StatusOr<uint64_t> ModelStore::LatestVersion(
    absl::string_view name) const {
  auto versions = List();
  if (!versions.ok()) return versions.status();
  std::set<std::string> names;
  // The names are for the message alone.
  uint64_t latest = 0;
  for (const ModelVersion& model : *versions) {
    names.insert(model.name);
    // List sorts by version, so the last one found is the newest.
    if (model.name == name) latest = model.version;
  }
  if (latest != 0) return latest;
  return absl::NotFoundError(absl::StrCat(
      root_, ": no model ", Quoted(name), "; there ",
      names.empty() ? "are none"
                    : absl::StrCat("are: ", absl::StrJoin(names, ", "))));
}

absl::StatusOr<v1::ModelManifest> ModelStore::ReadManifest(
    absl::string_view name, uint64_t version) const {
  // A name may come from a request, and must not lead out of the store.
  if (!IsValidModelName(name)) {
    return absl::NotFoundError(absl::StrCat(root_, ": no model ", Quoted(name),
                                            "; a name is ", kModelNameRule));
  }
  const fs::path folder =
      fs::path(root_) / std::string(name) / std::to_string(version);
  const fs::path path = folder / kManifestFile;
  auto json = ReadFile(path, kMaxManifestBytes);
  // No version has the number 0, whatever lies in such a folder.
  if (version == 0 || absl::IsNotFound(json.status())) {
    return NotPublished(folder);
  }
  if (!json.ok()) return json.status();
  auto manifest = ManifestFromJson(*json);
  if (!manifest.ok()) return AtPath(path, manifest.status());
  absl::Status status = CheckManifest(*manifest, name, version);
  if (!status.ok()) return AtPath(path, status);
  return manifest;
}

absl::StatusOr<StoredModel> ModelStore::Read(absl::string_view name,
                                             uint64_t version) const {
  auto manifest = ReadManifest(name, version);
  if (!manifest.ok()) return manifest.status();
  const fs::path folder =
      fs::path(root_) / std::string(name) / std::to_string(version);
  // Before the files are read, which may have gigabytes.
  absl::Status status = CheckNames(folder, *manifest);
  if (!status.ok()) return status;
  StoredModel model;
  for (const v1::StoredFile& listed : manifest->files()) {
    auto bytes = ReadVerified(folder / listed.name(), listed);
    if (!bytes.ok()) return bytes.status();
    model.files[listed.name()] = *std::move(bytes);
  }
  model.manifest = *std::move(manifest);
  return model;
}

}  // namespace adv
