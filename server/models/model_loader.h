#ifndef ADV_SERVER_MODELS_MODEL_LOADER_H_
#define ADV_SERVER_MODELS_MODEL_LOADER_H_

#include <absl/status/statusor.h>
#include <c10/core/Device.h>

#include <memory>

#include "engine/nn/network.h"
#include "model_store/model_store.h"
#include "server/compute/endpoint.h"

namespace adv {

struct ModelLoaderOptions {
  at::Device device = at::kCPU;
  // Whether models that are code (torchscript) are run.
  bool allow_code = false;
  // Where remote models may be; a manifest can name no other place.
  Endpoints endpoints;
};

// The network of a verified version, by the loader for its manifest's format.
// INVALID_ARGUMENT or DATA_LOSS says what is wrong with manifest or files;
// PERMISSION_DENIED if the format is code and code is not allowed;
// FAILED_PRECONDITION if its endpoint is not configured or not there.
absl::StatusOr<std::shared_ptr<const Network>> LoadNetwork(
    const StoredModel& stored, const ModelLoaderOptions& options);

}  // namespace adv

#endif  // ADV_SERVER_MODELS_MODEL_LOADER_H_
