#include "server/models/model_loader.h"

#include <absl/strings/str_cat.h>

#include <string>
#include <utility>
#include <vector>

#include "engine/nn/safetensors.h"
#include "engine/nn/torchscript.h"
#include "engine/nn/vgg.h"

namespace adv {
namespace {

using Loaded = absl::StatusOr<std::shared_ptr<const Network>>;

absl::Status About(absl::string_view what, const absl::Status& status) {
  return absl::Status(status.code(),
                      absl::StrCat(what, ": ", status.message()));
}

Loaded LoadVgg(const StoredModel& stored, const std::string& weights,
               const ModelLoaderOptions& options) {
  if (stored.manifest.preprocessing() != "unit") {
    return absl::InvalidArgumentError(
        absl::StrCat("preprocessing of the manifest is \"",
                     stored.manifest.preprocessing(), "\", must be \"unit\""));
  }
  const absl::StatusOr<StateDict> parameters = ParseSafetensors(weights);
  if (!parameters.ok()) return About(kWeightsFile, parameters.status());
  auto network =
      MakeVgg(stored.manifest.architecture(), *parameters, options.device);
  if (!network.ok()) return network.status();
  return Loaded(*std::move(network));
}

absl::StatusOr<Preprocessing> PreprocessingOf(
    const v1::ModelManifest& manifest) {
  Preprocessing preprocessing;
  if (manifest.preprocessing() == "unit") return preprocessing;
  if (manifest.preprocessing() != "transform") {
    return absl::InvalidArgumentError(absl::StrCat(
        "preprocessing of the manifest is \"", manifest.preprocessing(),
        "\", must be \"unit\" or \"transform\""));
  }
  const v1::InputTransform& transform = manifest.input_transform();
  if (transform.range() != 0) preprocessing.range = transform.range();
  preprocessing.mean = {transform.mean().begin(), transform.mean().end()};
  preprocessing.std = {transform.std().begin(), transform.std().end()};
  preprocessing.bgr = transform.channel_order() == v1::CHANNEL_ORDER_BGR;
  return preprocessing;
}

Access AccessOf(v1::ModelAccess access) {
  switch (access) {
    case v1::MODEL_ACCESS_DECISIONS:
      return Access::kDecisions;
    case v1::MODEL_ACCESS_SCORES:
      return Access::kScores;
    default:
      return Access::kGradients;
  }
}

Loaded LoadScript(const StoredModel& stored, const std::string& bytes,
                  const ModelLoaderOptions& options) {
  if (!options.allow_code) {
    return absl::PermissionDeniedError(
        "format torchscript is code, which this server does not run; start it "
        "with --allow-code-models if you trust the store");
  }
  const v1::ModelManifest& manifest = stored.manifest;
  TorchScriptInterface interface;
  interface.image_shape = {manifest.image_shape().begin(),
                           manifest.image_shape().end()};
  interface.classes = manifest.class_names_size();
  const absl::StatusOr<Preprocessing> preprocessing = PreprocessingOf(manifest);
  if (!preprocessing.ok()) return preprocessing.status();
  interface.preprocessing = *preprocessing;
  interface.gives_probabilities =
      manifest.output() == v1::MODEL_OUTPUT_PROBABILITIES;
  // It was measured on a CPU.
  interface.exact_in_any_batch =
      manifest.exact_in_any_batch() && options.device.is_cpu();
  interface.access = AccessOf(manifest.access());
  auto network = LoadTorchScript(bytes, interface, options.device);
  if (!network.ok()) return About(kTorchScriptFile, network.status());
  return Loaded(*std::move(network));
}

struct Loader {
  const char* format;
  Loaded (*load)(const StoredModel& stored, const std::string& main_file,
                 const ModelLoaderOptions& options);
};

constexpr Loader kLoaders[] = {
    {"", &LoadVgg},
    {"vgg", &LoadVgg},
    {"torchscript", &LoadScript},
};

}  // namespace

absl::StatusOr<std::shared_ptr<const Network>> LoadNetwork(
    const StoredModel& stored, const ModelLoaderOptions& options) {
  const std::string& format = stored.manifest.format();
  const auto main_file = stored.files.find(MainFile(format));
  for (const Loader& loader : kLoaders) {
    if (format != loader.format) continue;
    if (main_file == stored.files.end()) {
      return absl::DataLossError(absl::StrCat(MainFile(format), " is missing"));
    }
    return loader.load(stored, main_file->second, options);
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "format of the manifest is \"", format, "\", which nothing reads here"));
}

}  // namespace adv
