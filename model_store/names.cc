#include "model_store/names.h"

#include <absl/strings/ascii.h>

#include <algorithm>

namespace adv {

bool IsValidModelName(absl::string_view name) {
  return !name.empty() && name.size() <= 64 && absl::ascii_islower(name[0]) &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-';
         });
}

std::string MainFile(absl::string_view format) {
  // A manifest that names no format is of our own networks.
  if (format.empty() || format == "vgg") return kWeightsFile;
  if (format == "torchscript") return kTorchScriptFile;
  if (format == "onnx") return kOnnxFile;
  if (format == "remote") return kEndpointFile;
  return "";
}

bool IsValidStoredFileName(absl::string_view name) {
  // The manifest cannot list itself: its own digest would be a part of it.
  if (name.empty() || name.size() > 255 || name.front() == '.' ||
      name == kManifestFile) {
    return false;
  }
  return std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_isalnum(c) || c == '.' || c == '-' || c == '_';
  });
}

}  // namespace adv
