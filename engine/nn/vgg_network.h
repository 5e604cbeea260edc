#ifndef ADV_ENGINE_NN_VGG_NETWORK_H_
#define ADV_ENGINE_NN_VGG_NETWORK_H_

#include <ATen/core/Tensor.h>
#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>

#include <memory>

#include "engine/nn/network.h"
#include "engine/nn/vgg.h"

namespace adv {

// A frozen network on `device`. Keeps its own copy of the parameters. On a CPU
// oneDNN computes it if it is there (onednn_vgg.h), elsewhere LibTorch does.
absl::StatusOr<std::shared_ptr<const Network>> MakeVgg(
    absl::string_view architecture, const StateDict& parameters,
    at::Device device);

}  // namespace adv

#endif  // ADV_ENGINE_NN_VGG_NETWORK_H_
