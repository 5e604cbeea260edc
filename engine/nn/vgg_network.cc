#include "engine/nn/vgg_network.h"

#include <utility>
#include <vector>

#include "engine/nn/libtorch_vgg.h"
#include "engine/nn/onednn_vgg.h"

namespace adv {

absl::StatusOr<std::shared_ptr<const Network>> MakeVgg(
    absl::string_view architecture, const StateDict& parameters,
    at::Device device) {
  absl::StatusOr<std::vector<Layer>> layers = VggLayers(architecture);
  if (!layers.ok()) return layers.status();
  if (absl::Status status = CheckParameters(*layers, parameters);
      !status.ok()) {
    return status;
  }
  if (device.is_cpu()) {
    auto network = MakeOnednnVgg(*layers, parameters);
    if (network.ok()) return network;
  }
  return MakeLibtorchVgg(*std::move(layers), parameters, device);
}

}  // namespace adv
