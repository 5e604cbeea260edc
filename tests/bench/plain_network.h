#ifndef ADV_TESTS_BENCH_PLAIN_NETWORK_H_
#define ADV_TESTS_BENCH_PLAIN_NETWORK_H_

#include <ATen/ATen.h>
#include <absl/status/statusor.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "engine/nn/vgg.h"

namespace adv {

// What a careful user of LibTorch would write: frozen parameters,
// convolutions in channels-last memory, at::linear, autograd for the gradient
// with respect to the images alone.
class PlainNetwork {
 public:
  PlainNetwork(std::vector<Layer> layers, const StateDict& parameters,
               at::Device device)
      : layers_(std::move(layers)) {
    for (const auto& [name, tensor] : parameters) {
      const at::Tensor there = tensor.to(device);
      parameters_[name] = there.dim() == 4
                              ? there.contiguous(at::MemoryFormat::ChannelsLast)
                              : there;
    }
  }

  at::Tensor Logits(at::Tensor x) const {
    for (const Layer& layer : layers_) {
      if (layer.kind == LayerKind::kConv) {
        x = at::conv2d(x, Weight(layer), Bias(layer), 1, 1);
      } else if (layer.kind == LayerKind::kRelu) {
        x = at::relu(x);
      } else if (layer.kind == LayerKind::kMaxPool) {
        x = at::max_pool2d(x, 2);
      } else if (layer.kind == LayerKind::kFlatten) {
        x = x.flatten(1);
      } else if (layer.kind == LayerKind::kDense) {
        x = at::linear(x, Weight(layer), Bias(layer));
      }
    }
    return x;
  }

  // Logits and d (summed cross-entropy) / d images.
  LogitsAndGradient Gradient(const at::Tensor& images,
                             const at::Tensor& labels) const {
    const at::AutoGradMode enable(true);
    const at::Tensor x = images.detach().requires_grad_();
    const at::Tensor logits = Logits(x);
    const at::Tensor loss = at::cross_entropy_loss(
        logits, labels, /*weight=*/{}, at::Reduction::Sum);
    const at::Tensor gradient = torch::autograd::grad({loss}, {x})[0];
    return {logits.detach(), gradient};
  }

 private:
  const at::Tensor& Weight(const Layer& layer) const {
    return parameters_.at(layer.name + ".weight");
  }
  const at::Tensor& Bias(const Layer& layer) const {
    return parameters_.at(layer.name + ".bias");
  }

  std::vector<Layer> layers_;
  StateDict parameters_;
};

// Ends the program with a message if there is no value.
template <typename T>
T ValueOrDie(absl::StatusOr<T> value) {
  if (!value.ok()) {
    std::cerr << value.status() << "\n";
    std::exit(1);
  }
  return *std::move(value);
}

inline std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace adv

#endif  // ADV_TESTS_BENCH_PLAIN_NETWORK_H_
