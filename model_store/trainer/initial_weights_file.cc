#include "model_store/trainer/initial_weights_file.h"

#include <absl/strings/escaping.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <cstdint>
#include <filesystem>
#include <limits>
#include <new>
#include <utility>

#include "model_store/durable_file.h"
#include "model_store/model_store.h"

namespace adv {

absl::StatusOr<InitialWeightsFile> ReadInitialWeightsFile(
    const std::string& path, const std::vector<Layer>& layers) {
  absl::StatusOr<std::string> bytes;
  try {
    // Any size is accepted, so the file may be larger than the memory.
    bytes = ReadFile(path, std::numeric_limits<int64_t>::max());
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(
        absl::StrCat(path, ": not enough memory to read it"));
  }
  if (!bytes.ok()) return bytes.status();
  absl::StatusOr<InitialWeights> weights = LoadInitialWeights(layers, *bytes);
  if (!weights.ok()) {
    return absl::Status(weights.status().code(),
                        absl::StrCat(path, ": ", weights.status().message()));
  }
  // A file system takes any bytes for a name, a manifest only UTF-8.
  const std::string name = std::filesystem::path(path).filename();
  return InitialWeightsFile{absl::CHexEscape(name), Sha256Hex(*bytes),
                            *std::move(weights)};
}

std::vector<std::string> Describe(const InitialWeightsFile& file) {
  const InitialWeights& weights = file.weights;
  std::vector<std::string> lines = {
      absl::StrCat("starts from ", file.name, ", sha256 ", file.sha256),
      absl::StrCat("loaded ", absl::StrJoin(weights.loaded, ", "))};
  // Names in the file may hold anything, and the lines go to a terminal.
  for (const std::string& skipped : weights.skipped) {
    lines.push_back(
        absl::StrCat("skipped ", absl::Utf8SafeCHexEscape(skipped)));
  }
  if (!weights.absent.empty()) {
    lines.push_back(absl::StrCat("not in the file, so from the seed: ",
                                 absl::StrJoin(weights.absent, ", ")));
  }
  return lines;
}

v1::InitialWeights ToProto(const InitialWeightsFile& file) {
  v1::InitialWeights proto;
  proto.set_file(file.name);
  proto.set_sha256(file.sha256);
  for (const std::string& key : file.weights.loaded) {
    proto.add_loaded_keys(key);
  }
  return proto;
}

}  // namespace adv
