#include "engine/nn/vgg.h"

#include <ATen/ATen.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <cmath>
#include <random>
#include <utility>

#include "engine/nn/device.h"

namespace adv {
namespace {

constexpr int64_t kClasses = 10;
constexpr int64_t kKernel = 3;
constexpr auto kChannelsLast = at::MemoryFormat::ChannelsLast;

const std::vector<int64_t>& ImageShape() {
  static const auto* const shape = new std::vector<int64_t>{3, 32, 32};
  return *shape;
}

std::string WeightName(const Layer& layer) { return layer.name + ".weight"; }
std::string BiasName(const Layer& layer) { return layer.name + ".bias"; }

std::vector<int64_t> WeightShape(const Layer& layer) {
  if (layer.kind == LayerKind::kConv) {
    return {layer.out, layer.in, kKernel, kKernel};
  }
  return {layer.out, layer.in};
}

Layer WithParameters(LayerKind kind, std::string name, int64_t in,
                     int64_t out) {
  Layer layer{kind, std::move(name)};
  layer.in = in;
  layer.out = out;
  return layer;
}

Layer Dropout(double probability) {
  Layer layer{LayerKind::kDropout, ""};
  layer.dropout = probability;
  return layer;
}

// Convolutions one after the other, then a pooling.
struct Block {
  std::vector<int64_t> channels;  // of its input and of each convolution
  bool relu_each;                 // or a single one, after the last
};

struct Architecture {
  std::string name;
  std::vector<Block> blocks;
  double block_dropout;  // after each block; 0 for no such layer
};

constexpr int64_t kHidden = 512;

const std::vector<Architecture>& Architectures() {
  static const auto* const all = new std::vector<Architecture>{
      {"table51",
       {{{3, 32, 32}, true},
        {{32, 64, 64, 64}, false},
        {{64, 128, 128, 128}, false}},
       0.25},
      {"relu_each",
       {{{3, 32, 32}, true},
        {{32, 64, 64, 64}, true},
        {{64, 128, 128, 128}, true}},
       0.25},
      {"vgg16_transfer",
       {{{3, 64, 64}, true},
        {{64, 128, 128}, true},
        {{128, 256, 256, 256}, true}},
       0},
  };
  return *all;
}

// Convolutions conv<first>, conv<first + 1>, ... and the end of their block.
void AppendBlock(int64_t first, const Block& block, double dropout,
                 std::vector<Layer>* layers) {
  const size_t convolutions = block.channels.size() - 1;
  for (size_t i = 0; i < convolutions; ++i) {
    layers->push_back(WithParameters(LayerKind::kConv,
                                     absl::StrCat("conv", first + i),
                                     block.channels[i], block.channels[i + 1]));
    if (block.relu_each || i == convolutions - 1) {
      layers->push_back({LayerKind::kRelu, ""});
    }
  }
  layers->push_back({LayerKind::kMaxPool, ""});
  if (dropout > 0) layers->push_back(Dropout(dropout));
}

std::vector<Layer> LayersOf(const Architecture& architecture) {
  std::vector<Layer> layers;
  size_t convolutions = 0;
  int64_t side = ImageShape()[1];
  for (const Block& block : architecture.blocks) {
    AppendBlock(convolutions + 1, block, architecture.block_dropout, &layers);
    convolutions += block.channels.size() - 1;
    side /= 2;
  }
  const int64_t features =
      architecture.blocks.back().channels.back() * side * side;
  layers.push_back({LayerKind::kFlatten, ""});
  layers.push_back(
      WithParameters(LayerKind::kDense, "dense1", features, kHidden));
  layers.push_back({LayerKind::kRelu, ""});
  layers.push_back(Dropout(0.5));
  layers.push_back(
      WithParameters(LayerKind::kDense, "dense2", kHidden, kClasses));
  return layers;
}

// On the CPU both ways give an image the same bits in any batch, which
// at::linear does with some BLAS libraries only (see the decision in
// engine/README.md). On other devices batches have one shape, and cuDNN would
// compute the gradient of a kernel as large as its map sixteen times over.
at::Tensor Dense(const at::Tensor& x, const at::Tensor& weight,
                 const at::Tensor& bias) {
  if (!x.device().is_cpu()) {
    if (x.dim() != 4) return at::linear(x, weight, bias);
    const at::Tensor kernel =
        weight.view({weight.size(0), x.size(1), x.size(2), x.size(3)});
    const auto by_pixel = [](const at::Tensor& maps) {
      return maps.permute({0, 2, 3, 1}).flatten(1);
    };
    return at::linear(by_pixel(x), by_pixel(kernel), bias);
  }
  if (x.dim() == 4) {  // a map: a convolution with a kernel of its full size
    const at::Tensor kernel =
        weight.view({weight.size(0), x.size(1), x.size(2), x.size(3)});
    return at::conv2d(x, kernel, bias).flatten(1);
  }
  return (x.unsqueeze(1) * weight).sum(-1) + bias;
}

}  // namespace

const std::vector<std::string>& VggArchitectures() {
  static const auto* const names = [] {
    auto* list = new std::vector<std::string>;
    for (const Architecture& architecture : Architectures()) {
      list->push_back(architecture.name);
    }
    return list;
  }();
  return *names;
}

absl::StatusOr<std::vector<Layer>> VggLayers(absl::string_view architecture) {
  for (const Architecture& known : Architectures()) {
    if (known.name == architecture) return LayersOf(known);
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "architecture \"", architecture, "\" is not known: must be one of ",
      absl::StrJoin(VggArchitectures(), ", ")));
}

int64_t CountParameters(const std::vector<Layer>& layers) {
  int64_t count = 0;
  for (const Layer& layer : layers) {
    if (layer.has_parameters()) {
      count += c10::multiply_integers(WeightShape(layer)) + layer.out;
    }
  }
  return count;
}

std::map<std::string, std::vector<int64_t>> ParameterShapes(
    const std::vector<Layer>& layers) {
  std::map<std::string, std::vector<int64_t>> shapes;
  for (const Layer& layer : layers) {
    if (!layer.has_parameters()) continue;
    shapes[WeightName(layer)] = WeightShape(layer);
    shapes[BiasName(layer)] = {layer.out};
  }
  return shapes;
}

absl::Status CheckParameters(const std::vector<Layer>& layers,
                             const StateDict& parameters) {
  const std::map<std::string, std::vector<int64_t>> wanted =
      ParameterShapes(layers);
  std::vector<std::string> problems;
  for (const auto& [name, shape] : wanted) {
    const auto found = parameters.find(name);
    if (found == parameters.end() || !found->second.defined()) {
      problems.push_back(absl::StrCat(name, " is missing"));
    } else if (found->second.sizes() != at::IntArrayRef(shape)) {
      problems.push_back(absl::StrCat(
          name, " is [", absl::StrJoin(found->second.sizes(), ", "),
          "], must be [", absl::StrJoin(shape, ", "), "]"));
    }
  }
  for (const auto& [name, tensor] : parameters) {
    if (wanted.count(name) == 0) {
      problems.push_back(absl::StrCat(name, " is not known"));
    }
  }
  if (problems.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("parameters do not fit the architecture: ",
                   absl::StrJoin(problems, "; ")));
}

StateDict InitialParameters(const std::vector<Layer>& layers, uint64_t seed) {
  // The engine's raw output is the same in every standard library; the
  // standard's distributions are not.
  std::mt19937_64 random(seed);
  StateDict parameters;
  for (const Layer& layer : layers) {
    if (!layer.has_parameters()) continue;
    const int64_t field =
        layer.kind == LayerKind::kConv ? kKernel * kKernel : 1;
    const double limit =
        std::sqrt(6.0 / static_cast<double>(field * (layer.in + layer.out)));
    at::Tensor weight = at::empty(WeightShape(layer), at::kFloat);
    float* values = weight.data_ptr<float>();
    for (int64_t i = 0; i < weight.numel(); ++i) {
      // The upper 53 bits, as many as a double holds: in [0, 1), exactly.
      const double unit = static_cast<double>(random() >> 11) * 0x1p-53;
      values[i] = static_cast<float>(limit * (2 * unit - 1));
    }
    parameters[WeightName(layer)] = weight;
    parameters[BiasName(layer)] = at::zeros({layer.out}, at::kFloat);
  }
  return parameters;
}

at::Tensor VggForward(const std::vector<Layer>& layers,
                      const StateDict& parameters, const at::Tensor& images,
                      const std::vector<at::Tensor>& dropout) {
  at::Tensor x = images.contiguous(kChannelsLast);
  auto factors = dropout.begin();
  for (size_t i = 0; i < layers.size(); ++i) {
    const Layer& layer = layers[i];
    switch (layer.kind) {
      case LayerKind::kConv:
        x = at::conv2d(x, parameters.at(WeightName(layer)),
                       parameters.at(BiasName(layer)), /*stride=*/1,
                       /*padding=*/kKernel / 2);
        break;
      case LayerKind::kRelu:
        // The maximum of the positive is the positive of the maximum, with the
        // same gradient, on a quarter of the values. In place: nothing else
        // needs what a convolution or a pooling returned.
        if (i + 1 < layers.size() &&
            layers[i + 1].kind == LayerKind::kMaxPool) {
          x = at::max_pool2d(x, 2);
          ++i;
        }
        at::relu_(x);
        break;
      case LayerKind::kMaxPool:
        x = at::max_pool2d(x, 2);
        break;
      case LayerKind::kDropout:
        if (!dropout.empty()) x = x * *factors++;
        break;
      case LayerKind::kFlatten:
        break;  // The dense layer that follows takes the map as it is.
      case LayerKind::kDense:
        x = Dense(x, parameters.at(WeightName(layer)),
                  parameters.at(BiasName(layer)));
        break;
    }
  }
  return x;
}

NetworkTraits VggTraits(at::Device device) {
  NetworkTraits traits;
  traits.image_shape = ImageShape();
  traits.classes = kClasses;
  traits.exact_in_any_batch = device.is_cpu();
  traits.good_batch = GoodBatch(device);
  traits.device = device;
  return traits;
}

void CheckVggImages(const at::Tensor& images) {
  TORCH_CHECK(images.dim() == 4 && images.size(0) > 0 &&
                  images.sizes().slice(1) == at::IntArrayRef(ImageShape()),
              "images must be [N >= 1, 3, 32, 32], not ", images.sizes());
  TORCH_CHECK(images.scalar_type() == at::kFloat,
              "images must be float32, not ", images.scalar_type());
}

}  // namespace adv
