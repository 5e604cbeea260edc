#ifndef ADV_ENGINE_NN_ONEDNN_VGG_H_
#define ADV_ENGINE_NN_ONEDNN_VGG_H_

#include <absl/status/statusor.h>

#include <memory>
#include <string>
#include <vector>

#include "engine/nn/network.h"
#include "engine/nn/precision.h"
#include "engine/nn/vgg.h"

namespace adv {

// A frozen network on the CPU that calls oneDNN itself instead of through
// LibTorch: weights are laid out once, maps keep the layout of the kernels from
// the first convolution to the last, and no graph is recorded. `parameters`
// must fit `layers` (CheckParameters).
//
// It has fast passes on a processor that computes with bfloat16 (AVX512-BF16 or
// AMX).
//
// UNIMPLEMENTED if the program was built without oneDNN or if the library has
// no fast kernels for this processor, INTERNAL if it fails; MakeVgg then takes
// LibTorch.
absl::StatusOr<std::shared_ptr<const Network>> MakeOnednnVgg(
    const std::vector<Layer>& layers, const StateDict& parameters);

// Of the library, "2.7.2"; empty if the program was built without it.
std::string OnednnVersion();

// What computes each layer of such a network, one line each: "conv1: forward
// <kernel>, backward <kernel>". Empty if there can be no such network.
std::vector<std::string> OnednnKernels(
    const std::vector<Layer>& layers,
    Precision precision = Precision::kFloat32);

}  // namespace adv

#endif  // ADV_ENGINE_NN_ONEDNN_VGG_H_
