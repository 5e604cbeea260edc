#ifndef ADV_ENGINE_NN_INITIAL_WEIGHTS_H_
#define ADV_ENGINE_NN_INITIAL_WEIGHTS_H_

#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>

#include <string>
#include <vector>

#include "engine/nn/safetensors.h"
#include "engine/nn/vgg.h"

// Beside the layers and the reader, not in the training room: which name of a
// file means which layer is a property of the two, whoever starts from it.

namespace adv {

// What of a file can be the start of a network.
struct InitialWeights {
  StateDict parameters;  // by our names, float32 on the CPU; not all, perhaps
  std::vector<std::string> loaded;   // the file's keys, in layer order
  std::vector<std::string> skipped;  // "features.17.weight: no such layer here"
  std::vector<std::string> absent;   // our parameters that the file has not
};

// Takes from a safetensors file whatever belongs to `layers`. A parameter may
// go by either name:
//   our own, "conv1.weight", so that any published model can be a start;
//   torchvision's of VGG16, "features.5.weight", where 5 counts the
//   convolutions, ReLUs and poolings before it (dropouts stand in torchvision's
//   classifier alone). Its classifier is for 7x7 maps of ImageNet and never
//   read.
// Values may be F32, F16 or BF16, of what is loaded; the rest may be anything
// and is not read, so that 528 MB of VGG16 cost no more than its first blocks.
//
// INVALID_ARGUMENT if it is no safetensors file, if nothing in it belongs here,
// or, naming every key concerned, if one that does has another shape or dtype
// than wanted, holds a value that is not finite, or comes under both names.
absl::StatusOr<InitialWeights> LoadInitialWeights(
    const std::vector<Layer>& layers, absl::string_view file_bytes);

}  // namespace adv

#endif  // ADV_ENGINE_NN_INITIAL_WEIGHTS_H_
