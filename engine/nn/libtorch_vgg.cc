#include "engine/nn/libtorch_vgg.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <utility>

namespace adv {
namespace {

// Float32 means float32 with cuDNN too (its default is TF32), and the same
// call gives the same bits.
void RequireExactCudnn() {
  at::globalContext().setAllowTF32CuDNN(false);
  at::globalContext().setDeterministicCuDNN(true);
  at::globalContext().setBenchmarkCuDNN(false);
}

// A copy on `device`, laid out so that VggForward need not copy it again.
StateDict FrozenCopy(const std::vector<Layer>& layers,
                     const StateDict& parameters, at::Device device) {
  at::NoGradGuard no_grad;
  StateDict frozen;
  for (const auto& [name, tensor] : parameters) {
    frozen[name] = tensor.detach().to(device, at::kFloat).clone();
  }
  int64_t channels = 0;
  bool on_map = true;
  for (const Layer& layer : layers) {
    if (!layer.has_parameters()) continue;
    at::Tensor& weight = frozen.at(layer.name + ".weight");
    if (layer.kind == LayerKind::kDense) {
      if (!on_map) continue;
      on_map = false;
      // The first dense layer's weight as a kernel of the size of the last map.
      const int64_t side = std::llround(std::sqrt(layer.in / channels));
      weight = weight.contiguous().view({layer.out, channels, side, side});
    }
    weight = weight.contiguous(at::MemoryFormat::ChannelsLast);
    channels = layer.out;
  }
  return frozen;
}

// Outside oneDNN, where a single image would go, its bits are others.
at::Tensor AtLeastTwo(const at::Tensor& rows) {
  return rows.size(0) == 1 ? at::cat({rows, rows}) : rows;
}

class LibtorchVgg final : public Network {
 public:
  LibtorchVgg(std::vector<Layer> layers, const StateDict& parameters,
              at::Device device)
      : Network(VggTraits(device)),
        layers_(std::move(layers)),
        parameters_(FrozenCopy(layers_, parameters, device)) {}

  absl::StatusOr<at::Tensor> Logits(const at::Tensor& images) const override {
    at::NoGradGuard no_grad;
    const at::Tensor logits = VggForward(layers_, parameters_, Prepare(images));
    return logits.narrow(0, 0, images.size(0)).contiguous();
  }

  absl::StatusOr<LogitsAndGradient> InputGradient(
      const at::Tensor& images,
      const LogitGradient& loss_gradient) const override {
    at::AutoGradMode enable_grad(true);
    const at::Tensor input = Prepare(images).requires_grad_();
    const at::Tensor output = VggForward(layers_, parameters_, input);

    const int64_t count = images.size(0);
    at::Tensor logits;
    at::Tensor output_gradient;
    {
      at::NoGradGuard no_grad;
      logits = output.detach().narrow(0, 0, count).contiguous();
      // As many rows as the output, where a single image stands twice.
      output_gradient = AtLeastTwo(loss_gradient(logits));
    }
    const at::Tensor gradient =
        torch::autograd::grad({output}, {input}, {output_gradient})[0];
    return LogitsAndGradient{logits,
                             gradient.narrow(0, 0, count)
                                 .contiguous(images.suggest_memory_format())};
  }

 private:
  // Checked, on the device, detached, channels-last, at least two.
  at::Tensor Prepare(const at::Tensor& images) const {
    CheckVggImages(images);
    return AtLeastTwo(images.detach()
                          .to(traits().device)
                          .contiguous(at::MemoryFormat::ChannelsLast))
        .contiguous(at::MemoryFormat::ChannelsLast);
  }

  const std::vector<Layer> layers_;
  const StateDict parameters_;
};

}  // namespace

std::shared_ptr<const Network> MakeLibtorchVgg(std::vector<Layer> layers,
                                               const StateDict& parameters,
                                               at::Device device) {
  if (device.is_cuda()) RequireExactCudnn();
  return std::make_shared<const LibtorchVgg>(std::move(layers), parameters,
                                             device);
}

}  // namespace adv
