#ifndef ADV_ENGINE_NN_VGG_H_
#define ADV_ENGINE_NN_VGG_H_

#include <ATen/core/Tensor.h>
#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine/nn/network.h"
#include "engine/nn/safetensors.h"

namespace adv {

enum class LayerKind { kConv, kRelu, kMaxPool, kDropout, kFlatten, kDense };

struct Layer {
  LayerKind kind;
  std::string name;  // of its parameters, "conv1"; empty if it has none
  int64_t in = 0;    // channels or features; 0 if it has no parameters
  int64_t out = 0;
  double dropout = 0;  // probability of dropping, for kDropout

  bool has_parameters() const { return !name.empty(); }
};

// The names MakeVgg knows:
//   "table51"    table 5.1 of the thesis. Blocks 2 and 3 have a single ReLU,
//                after their third convolution: between them they are linear.
//   "relu_each"  the same with a ReLU after each convolution.
//   "vgg16_transfer"  the first three blocks of VGG16 (Simonyan & Zisserman
//                1409.1556, configuration D), each convolution with its ReLU,
//                and the head of the others. VGG16 drops nothing in its
//                blocks, so the one dropout here is the head's.
//
// None of them normalises its pixels. Weights trained on ImageNet expect
// (pixel - mean) / deviation of each colour, values in some [-2.1, 2.6]; here
// they see the pixels in [0, 1] themselves, so that their filters answer with
// other offsets and at a quarter of the strength. They are a place to start
// training from, and no copy of what the ImageNet network computes.
const std::vector<std::string>& VggArchitectures();

// The layers in order, for 3x32x32 images and 10 classes.
// INVALID_ARGUMENT lists the known architectures if it is not one of them.
absl::StatusOr<std::vector<Layer>> VggLayers(absl::string_view architecture);

// The number of weights and biases.
int64_t CountParameters(const std::vector<Layer>& layers);

// Parameters are "<name>.weight" and "<name>.bias": convolutions
// [out, in, 3, 3], dense layers [out, in] over the flattened
// (channel, row, column) order, as torch.nn has them.
std::map<std::string, std::vector<int64_t>> ParameterShapes(
    const std::vector<Layer>& layers);

// INVALID_ARGUMENT if one is missing, too many, or has another shape; the
// message names all of them.
absl::Status CheckParameters(const std::vector<Layer>& layers,
                             const StateDict& parameters);

// Glorot-uniform weights and zero biases (Keras's default of 2017: limit
// sqrt(6 / (fan_in + fan_out)), with fans over the receptive field).
// A pure function of `seed`.
StateDict InitialParameters(const std::vector<Layer>& layers, uint64_t seed);

// The one definition of the forward pass, for inference and for training:
// images [N, 3, 32, 32] in [0, 1] to logits [N, 10]. Runs in whatever autograd
// mode it is called in. A prefix of an architecture's layers gives what comes
// out of its last one; kFlatten leaves the map as it is, [N, channels, rows,
// columns], since the dense layer after it takes it so.
//
// `dropout` has, for training, the factors of each dropout layer's values in
// order: 0 for what it drops, 1 / (1 - probability) for the rest. Drawing them
// is the caller's affair. Without any, dropout does nothing.
//
// Convolution weights in channels-last memory are used without a copy. So is
// the first dense weight if it comes as a kernel, [out, channels, rows,
// columns], in channels-last memory.
at::Tensor VggForward(const std::vector<Layer>& layers,
                      const StateDict& parameters, const at::Tensor& images,
                      const std::vector<at::Tensor>& dropout = {});

// What every network that computes such layers on `device` says of itself.
NetworkTraits VggTraits(at::Device device);

// Throws c10::Error if `images` are not float32 [N >= 1, 3, 32, 32].
void CheckVggImages(const at::Tensor& images);

}  // namespace adv

#endif  // ADV_ENGINE_NN_VGG_H_
