#ifndef ADV_MODEL_STORE_NAMES_H_
#define ADV_MODEL_STORE_NAMES_H_

#include <absl/strings/string_view.h>

#include <string>

namespace adv {

inline constexpr char kWeightsFile[] = "weights.safetensors";
inline constexpr char kTorchScriptFile[] = "model.pt";
inline constexpr char kOnnxFile[] = "model.onnx";
inline constexpr char kEndpointFile[] = "endpoint.json";
inline constexpr char kManifestFile[] = "manifest.json";

inline constexpr char kModelNameRule[] =
    "1 to 64 lower-case letters, digits and dashes, starting with a letter";
bool IsValidModelName(absl::string_view name);

// The file with the weights, whose digest identifies a version, for a
// manifest's format; empty if the format is not known.
std::string MainFile(absl::string_view format);

// Whether a manifest may list a file of this name: 1 to 255 letters, digits,
// dots, dashes and underscores, not starting with a dot, and not the manifest's
// own name. So no name can lead out of its folder.
bool IsValidStoredFileName(absl::string_view name);

}  // namespace adv

#endif  // ADV_MODEL_STORE_NAMES_H_
