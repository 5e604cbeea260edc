#ifndef ADV_MODEL_STORE_MODEL_STORE_H_
#define ADV_MODEL_STORE_MODEL_STORE_H_

#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "adv/v1/model.pb.h"
#include "model_store/names.h"

namespace adv {

// A published version on disk: <root>/<name>/<version>/.
struct ModelVersion {
  std::string name;
  uint64_t version = 0;
};

// A version's content, as Read verified it or as Publish is given it.
struct StoredModel {
  v1::ModelManifest manifest;
  // By name; every file that the manifest lists.
  std::map<std::string, std::string> files;

  // SHA-256 of the file with the weights (MainFile) as the manifest lists it,
  // 64 hexadecimal digits; empty if it lists none.
  std::string digest() const;
};

// SHA-256 of `bytes`, 64 lower-case hexadecimal digits.
std::string Sha256Hex(absl::string_view bytes);

// A folder of models as bytes. A published version is never edited: its folder
// appears whole by one rename, and versions only grow. Several processes may
// read and publish at once.
//
// Thread-safe: it holds nothing but the path.
class ModelStore {
 public:
  // `root` may not exist yet; Publish creates it.
  explicit ModelStore(std::string root);

  const std::string& root() const { return root_; }

  // The published versions, by name and then version. Folders whose name is not
  // valid, or that hold no manifest, do not count as versions. NOT_FOUND if the
  // root does not exist.
  absl::StatusOr<std::vector<ModelVersion>> List() const;

  // The newest version of `name`. NOT_FOUND lists the names in the store.
  absl::StatusOr<uint64_t> LatestVersion(absl::string_view name) const;

  // Reads a version and verifies schema, name and version, that the files are
  // exactly those listed, and their sizes and digests. NOT_FOUND, or DATA_LOSS
  // with the file and its fault.
  absl::StatusOr<StoredModel> Read(absl::string_view name,
                                   uint64_t version) const;
  // The same for the manifest alone. It does not look at sizes and digests.
  absl::StatusOr<v1::ModelManifest> ReadManifest(absl::string_view name,
                                                 uint64_t version) const;

  // Publishes `files` under the next version of manifest.name and returns that
  // version. It fills in the manifest's schema_version, version, published_at
  // and files. All is written to <root>/.staging/ and synced, the manifest
  // last; then the folder is renamed and its parent synced. After any failure
  // nothing is published and the staging folder is removed. Another publisher
  // of the same name is no error: each gets a version of its own.
  absl::StatusOr<uint64_t> Publish(
      v1::ModelManifest manifest,
      const std::map<std::string, std::string>& files) const;

  // OK if a model could be published now. Creates missing folders and reserves
  // `bytes` bytes of disk for a moment. RESOURCE_EXHAUSTED on a full disk,
  // PERMISSION_DENIED if it cannot write.
  absl::Status CheckWritable(uint64_t bytes) const;

 private:
  std::string root_;
};

// Canonical JSON of a manifest, indented, field names as in the proto.
absl::StatusOr<std::string> ManifestToJson(const v1::ModelManifest& manifest);
// Strict: unknown fields are errors.
absl::StatusOr<v1::ModelManifest> ManifestFromJson(absl::string_view json);

}  // namespace adv

#endif  // ADV_MODEL_STORE_MODEL_STORE_H_
