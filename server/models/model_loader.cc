#include "server/models/model_loader.h"

#include <absl/strings/str_cat.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "engine/nn/onnx.h"
#include "engine/nn/safetensors.h"
#include "engine/nn/torchscript.h"
#include "engine/nn/vgg.h"
#include "engine/nn/vgg_network.h"
#include "server/compute/remote_network.h"

namespace adv {
namespace {

// The most images of one call. Bounds the size of a message.
constexpr uint64_t kMostRemoteImages = 4096;

using Loaded = absl::StatusOr<std::shared_ptr<const Network>>;

absl::Status InFile(absl::string_view what, const absl::Status& status) {
  return absl::Status(status.code(),
                      absl::StrCat(what, ": ", status.message()));
}

Loaded LoadVgg(const StoredModel& stored, const std::string& weights,
               const ModelLoaderOptions& options) {
  // MakeVgg preprocesses nothing. A manifest that asks for more would get wrong
  // answers without a word.
  if (stored.manifest.preprocessing() != "unit") {
    return absl::InvalidArgumentError(
        absl::StrCat("preprocessing of the manifest is \"",
                     stored.manifest.preprocessing(), "\", must be \"unit\""));
  }
  const absl::StatusOr<StateDict> parameters = ParseSafetensors(weights);
  if (!parameters.ok()) return InFile(kWeightsFile, parameters.status());
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
  // 0 is an absent field and means 1, the default.
  if (transform.range() != 0) preprocessing.range = transform.range();
  preprocessing.mean = {transform.mean().begin(), transform.mean().end()};
  preprocessing.std = {transform.std().begin(), transform.std().end()};
  preprocessing.bgr = transform.channel_order() == v1::CHANNEL_ORDER_BGR;
  return preprocessing;
}

// A manifest that names no access is of a model with gradients.
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

// The interface that the manifest describes. Its exactness in any batch was
// measured on a CPU, so it is believed on a CPU alone.
absl::StatusOr<ForeignInterface> InterfaceOf(const v1::ModelManifest& manifest,
                                             at::Device device) {
  ForeignInterface interface;
  interface.image_shape = {manifest.image_shape().begin(),
                           manifest.image_shape().end()};
  interface.classes = manifest.class_names_size();
  const absl::StatusOr<Preprocessing> preprocessing = PreprocessingOf(manifest);
  if (!preprocessing.ok()) return preprocessing.status();
  interface.preprocessing = *preprocessing;
  interface.gives_probabilities =
      manifest.output() == v1::MODEL_OUTPUT_PROBABILITIES;
  interface.exact_in_any_batch =
      manifest.exact_in_any_batch() && device.is_cpu();
  interface.access = AccessOf(manifest.access());
  if (absl::Status status = Validate(interface); !status.ok()) return status;
  return interface;
}

Loaded LoadScript(const StoredModel& stored, const std::string& bytes,
                  const ModelLoaderOptions& options) {
  if (!options.allow_code) {
    return absl::FailedPreconditionError(
        "format torchscript is code, which this server does not run; start it "
        "with --allow-code-models if you trust the store");
  }
  const auto interface = InterfaceOf(stored.manifest, options.device);
  if (!interface.ok()) return interface.status();
  auto network = LoadTorchScript(bytes, *interface, options.device);
  if (!network.ok()) return InFile(kTorchScriptFile, network.status());
  return Loaded(*std::move(network));
}

// The most that can be asked of a model whose backend has no gradients.
Access WithoutGradients(Access access) {
  return access == Access::kGradients ? Access::kScores : access;
}

Loaded LoadOnnxFile(const StoredModel& stored, const std::string& bytes,
                    const ModelLoaderOptions& options) {
  auto interface = InterfaceOf(stored.manifest, at::kCPU);
  if (!interface.ok()) return interface.status();
  interface->access = WithoutGradients(interface->access);
  auto network = LoadOnnx(bytes, *interface);
  if (!network.ok()) return InFile(kOnnxFile, network.status());
  return Loaded(*std::move(network));
}

// endpoint.json: {"endpoint": NAME, "model": NAME, "version": VERSION,
// "max_batch": N}, the last two of which may be absent.
absl::Status ReadEndpointFile(const std::string& text, std::string* endpoint,
                              RemoteModel* model) {
  // Without exceptions: a text that is no JSON gives a value that is no object.
  const auto json = nlohmann::json::parse(text, nullptr, false);
  // Whether the member is there and of that type: values of other types would
  // throw when they are read.
  const auto is = [&json](const char* key, auto kind) {
    return json.contains(key) && (json[key].*kind)();
  };
  using Json = nlohmann::json;
  if (!json.is_object() || !is("endpoint", &Json::is_string) ||
      !is("model", &Json::is_string) ||
      (json.contains("version") && !is("version", &Json::is_string)) ||
      (json.contains("max_batch") &&
       !is("max_batch", &Json::is_number_unsigned))) {
    return absl::InvalidArgumentError(
        R"(must be {"endpoint": NAME, "model": NAME, "version": VERSION, )"
        R"("max_batch": N}, the last two of which may be absent)");
  }
  *endpoint = json["endpoint"];
  model->name = json["model"];
  model->version = json.value("version", "");
  const uint64_t max_batch = json.value("max_batch", uint64_t{64});
  if (max_batch < 1 || max_batch > kMostRemoteImages) {
    return absl::InvalidArgumentError(absl::StrCat(
        "max_batch is ", max_batch, ", must be 1 to ", kMostRemoteImages));
  }
  model->max_batch = static_cast<int64_t>(max_batch);
  return absl::OkStatus();
}

Loaded LoadRemote(const StoredModel& stored, const std::string& file,
                  const ModelLoaderOptions& options) {
  std::string name;
  RemoteModel model;
  absl::Status status = ReadEndpointFile(file, &name, &model);
  if (!status.ok()) return InFile(kEndpointFile, status);
  // The store names an endpoint, and only the server's flags say where that is.
  // So a store cannot send images to a host of its choice.
  const auto endpoint = options.endpoints.find(name);
  if (endpoint == options.endpoints.end()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "its endpoint \"", name, "\" is not configured here; start the server ",
        "with --endpoint ", name, "=grpc://HOST:PORT"));
  }
  auto interface = InterfaceOf(stored.manifest, at::kCPU);
  if (!interface.ok()) return interface.status();
  model.interface = *std::move(interface);
  model.interface.access = WithoutGradients(model.interface.access);
  auto network = RemoteNetwork::Make(endpoint->second, model);
  if (!network.ok()) return network.status();
  return Loaded(*std::move(network));
}

struct Loader {
  const char* format;
  Loaded (*load)(const StoredModel& stored, const std::string& main_file,
                 const ModelLoaderOptions& options);
};

// Manifests from before there were formats have none: they are of format vgg.
constexpr Loader kLoaders[] = {
    {"", &LoadVgg},
    {"vgg", &LoadVgg},
    {"torchscript", &LoadScript},
    {"onnx", &LoadOnnxFile},
    {"remote", &LoadRemote},
};

}  // namespace

absl::StatusOr<std::shared_ptr<const Network>> LoadNetwork(
    const StoredModel& stored, const ModelLoaderOptions& options) {
  const std::string& format = stored.manifest.format();
  // The file that the loader reads: the weights, the module or the endpoint's
  // name.
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
