#ifndef ADV_MODEL_STORE_MANIFEST_H_
#define ADV_MODEL_STORE_MANIFEST_H_

#include <absl/status/status.h>
#include <absl/strings/string_view.h>

#include <cstdint>
#include <string>

#include "adv/v1/model.pb.h"

// The store's demands on manifests; private to this room.
namespace adv {

inline constexpr uint32_t kManifestSchemaVersion = 1;
inline constexpr uint64_t kMaxManifestBytes = uint64_t{16} << 20;
inline constexpr uint64_t kMaxFileBytes = uint64_t{4} << 30;

// Bytes from outside for an error message: in quotes, escaped and cut short.
std::string Quoted(absl::string_view bytes);

// Checks that a manifest belongs to `name` and `version`, has a known schema,
// and has a sound list of files: in name order, with the weights, and with
// valid names, sizes and digests. The error names the field.
absl::Status CheckManifest(const v1::ModelManifest& manifest,
                           absl::string_view name, uint64_t version);

}  // namespace adv

#endif  // ADV_MODEL_STORE_MANIFEST_H_
