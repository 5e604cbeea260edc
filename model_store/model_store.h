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

// A version's content: what Read verified, what Publish is given.
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

// A folder of models as bytes. What is published is never edited: a version's
// folder appears whole by one rename, and versions only grow. Several
// processes may read and publish at once.
//
// Thread-safe: it holds nothing but the path.
class ModelStore {
 public:
  // `root` may not exist yet; Publish creates it.
  explicit ModelStore(std::string root);

  const std::string& root() const { return root_; }

  // The published versions, by name and then version. Folders that are not a
  // valid name or number, or hold no manifest, are no versions. NOT_FOUND if
  // the root does not exist.
  absl::StatusOr<std::vector<ModelVersion>> List() const;

  // The newest version of `name`; NOT_FOUND lists the names there are.
  absl::StatusOr<uint64_t> LatestVersion(absl::string_view name) const;

  // Reads a version and verifies it: schema, name, version, that the files
  // are exactly those listed, and their sizes and digests. NOT_FOUND, or
  // DATA_LOSS with the file and what is wrong with it.
  absl::StatusOr<StoredModel> Read(absl::string_view name,
                                   uint64_t version) const;
  // The same for the manifest alone; sizes and digests are not looked at.
  absl::StatusOr<v1::ModelManifest> ReadManifest(absl::string_view name,
                                                 uint64_t version) const;

  // Publishes `files` under the next version of manifest.name and returns that
  // version. Fills in schema_version, version, published_at and files of the
  // manifest. Written to <root>/.staging/, synced, manifest last, then renamed
  // and the parent synced; on any failure nothing is published and the staging
  // folder is removed. Another publisher of the same name is no error: each
  // gets a version of its own.
  absl::StatusOr<uint64_t> Publish(
      v1::ModelManifest manifest,
      const std::map<std::string, std::string>& files) const;

  // OK if a model could be published now: creates the folders if need be and
  // reserves `bytes` bytes of disk for a moment. RESOURCE_EXHAUSTED on a full
  // disk, PERMISSION_DENIED where it cannot write.
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
