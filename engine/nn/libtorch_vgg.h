#ifndef ADV_ENGINE_NN_LIBTORCH_VGG_H_
#define ADV_ENGINE_NN_LIBTORCH_VGG_H_

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "engine/nn/network.h"
#include "engine/nn/vgg.h"

namespace adv {

// A frozen network on any `device`, computed by LibTorch: VggForward, and
// autograd for the gradient. `parameters` must fit `layers` (CheckParameters)
// and are copied. MakeVgg knows when there is something faster.
std::shared_ptr<const Network> MakeLibtorchVgg(std::vector<Layer> layers,
                                               const StateDict& parameters,
                                               at::Device device);

}  // namespace adv

#endif  // ADV_ENGINE_NN_LIBTORCH_VGG_H_
