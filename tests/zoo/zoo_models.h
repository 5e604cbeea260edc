#ifndef ADV_TESTS_ZOO_ZOO_MODELS_H_
#define ADV_TESTS_ZOO_ZOO_MODELS_H_

#include <absl/status/statusor.h>

#include <memory>
#include <string>
#include <vector>

#include "adv/v1/model.pb.h"
#include "engine/data/dataset.h"
#include "engine/nn/network.h"

namespace adv {

struct ZooModel {
  std::string name;  // "balanced@1"
  v1::ModelManifest manifest;
  std::shared_ptr<const Network> network;
};

// The folder of the models that ship with the project.
std::string ZooFolder();

// All of them, loaded once, on the CPU.
const absl::StatusOr<std::vector<ZooModel>>& Zoo();

// By name, without the version; null if there is none.
const ZooModel* FindZooModel(const std::string& name);

// The 1,000 images that ship with the project.
const Dataset& ZooSample();

}  // namespace adv

#endif  // ADV_TESTS_ZOO_ZOO_MODELS_H_
