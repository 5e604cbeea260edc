#ifndef ADV_MODEL_STORE_MANIFEST_H_
#define ADV_MODEL_STORE_MANIFEST_H_

#include <absl/status/status.h>
#include <absl/strings/string_view.h>

#include <cstdint>
#include <string>

#include "adv/v1/model.pb.h"

// What the store demands of manifests; private to this room.
namespace adv {

inline constexpr uint32_t kManifestSchemaVersion = 1;
inline constexpr uint64_t kMaxManifestBytes = uint64_t{16} << 20;
inline constexpr uint64_t kMaxFileBytes = uint64_t{4} << 30;

// Outside bytes in quotes, escaped and cut to what an error message can bear.
std::string Quoted(absl::string_view bytes);

// Whether a manifest is the one of `name` and `version`, of a known schema,
// and its list of files is sound: in name order, with the weights, valid
// names, sizes and digests. The error names the field.
absl::Status CheckManifest(const v1::ModelManifest& manifest,
                           absl::string_view name, uint64_t version);

}  // namespace adv

#endif  // ADV_MODEL_STORE_MANIFEST_H_
