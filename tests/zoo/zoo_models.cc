#include "tests/zoo/zoo_models.h"

#include <absl/strings/str_cat.h>

#include <utility>

#include "engine/data/cifar10.h"
#include "engine/nn/safetensors.h"
#include "engine/nn/vgg_network.h"
#include "model_store/model_store.h"
#include "tests/folders.h"

namespace adv {
namespace {

absl::StatusOr<ZooModel> Load(const ModelStore& store,
                              const ModelVersion& version) {
  const auto stored = store.Read(version.name, version.version);
  if (!stored.ok()) return stored.status();
  const auto parameters = ParseSafetensors(stored->files.at(kWeightsFile));
  if (!parameters.ok()) return parameters.status();
  auto network =
      MakeVgg(stored->manifest.architecture(), *parameters, at::kCPU);
  if (!network.ok()) return network.status();
  return ZooModel{absl::StrCat(version.name, "@", version.version),
                  stored->manifest, *std::move(network)};
}

absl::StatusOr<std::vector<ZooModel>> LoadAll() {
  const ModelStore store(ZooFolder());
  const auto versions = store.List();
  if (!versions.ok()) return versions.status();
  std::vector<ZooModel> models;
  for (const ModelVersion& version : *versions) {
    auto model = Load(store, version);
    if (!model.ok()) return model.status();
    models.push_back(*std::move(model));
  }
  return models;
}

}  // namespace

std::string ZooFolder() { return SourceDir() + "/model_store/zoo"; }

const Dataset& ZooSample() {
  static const auto& sample = *new Dataset(
      ReadCifar10File(absl::StrCat(ZooFolder(), "/cifar10-sample.bin"))
          .value());
  return sample;
}

const absl::StatusOr<std::vector<ZooModel>>& Zoo() {
  static const auto& zoo =
      *new absl::StatusOr<std::vector<ZooModel>>(LoadAll());
  return zoo;
}

const ZooModel* FindZooModel(const std::string& name) {
  for (const ZooModel& model : *Zoo()) {
    if (model.manifest.name() == name) return &model;
  }
  return nullptr;
}

}  // namespace adv
