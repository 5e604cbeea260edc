#ifndef ADV_SERVER_MODELS_SERVED_MODEL_H_
#define ADV_SERVER_MODELS_SERVED_MODEL_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "adv/v1/model.pb.h"
#include "engine/nn/batching_network.h"
#include "engine/nn/network.h"
#include "model_store/model_store.h"
#include "server/compute/asker.h"
#include "server/compute/executor.h"
#include "server/models/model_loader.h"

namespace adv {

// A model version that is ready to compute. Immutable: requests share it
// through shared_ptr<const ServedModel>, and whoever holds one may go on with
// it after the registry has moved to a newer version.
struct ServedModel {
  v1::ModelManifest manifest;
  std::string digest;  // StoredModel::digest
  std::string store;   // the store folder, as given to the server
  std::shared_ptr<const Network> network;
  // The same network, whose passes go first. Null: they have nobody to wait
  // for.
  std::shared_ptr<const Network> urgent_network;

  // The network as one that asks its endpoint on behalf of an asker. Null: the
  // model runs here.
  std::function<std::shared_ptr<const Network>(const Asker&)> network_for;

  // The one for jobs of that lane.
  const Network& NetworkFor(Lane lane) const {
    return lane == Lane::kInteractive && urgent_network != nullptr
               ? *urgent_network
               : *network;
  }
  // name, version, digest
  v1::ModelReference reference() const;
  // "name@version"
  std::string full_name() const;
};

// Whether work on both, which may be one, waits for an endpoint.
inline bool AskEndpoints(const ServedModel& model, const ServedModel& source) {
  return model.network_for != nullptr || source.network_for != nullptr;
}

// Builds a verified version and proves it: its format loads, its class names
// and image shape are those of the network, its golden self-test passes (which
// warms it up, too). INVALID_ARGUMENT or DATA_LOSS, each fault with a message
// of its own. `passes`: the queue that its network's passes go through; null
// for none.
absl::StatusOr<std::shared_ptr<const ServedModel>> BuildServedModel(
    const StoredModel& stored, const std::string& store,
    const ModelLoaderOptions& options,
    const std::shared_ptr<PassQueue>& passes);

}  // namespace adv

#endif  // ADV_SERVER_MODELS_SERVED_MODEL_H_
