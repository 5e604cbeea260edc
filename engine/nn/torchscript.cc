#include "engine/nn/torchscript.h"

#include <absl/strings/str_cat.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/script.h>

#include <exception>
#include <sstream>
#include <string>
#include <utility>

#include "engine/nn/golden.h"

namespace adv {
namespace {

// The first line of what LibTorch throws, without its backtrace.
std::string FirstLine(const std::exception& error) {
  const std::string text = error.what();
  return text.substr(0, text.find('\n'));
}

class TorchScriptNetwork final : public Network {
 public:
  TorchScriptNetwork(torch::jit::Module module, ForeignInterface interface,
                     at::Device device)
      : Network(TraitsOf(interface, device)),
        module_(std::move(module)),
        interface_(std::move(interface)) {}

  absl::StatusOr<at::Tensor> Logits(const at::Tensor& images) const override {
    const at::NoGradGuard without_graph;
    return Forward(Ready(images));
  }

  absl::StatusOr<LogitsAndGradient> InputGradient(
      const at::Tensor& images,
      const LogitGradient& loss_gradient) const override {
    // The caller may have switched graphs off. The leaf is detached, so that
    // the backward pass ends at the pixels.
    const at::AutoGradMode with_graph(true);
    const at::Tensor leaf = Ready(images).detach().requires_grad_(true);
    const at::Tensor logits = Forward(leaf);
    at::Tensor detached = logits.detach().contiguous();
    // LogitGradient is promised a call under no autograd.
    at::Tensor wanted;
    {
      const at::NoGradGuard without_graph;
      wanted = loss_gradient(detached);
    }
    const at::Tensor gradient =
        torch::autograd::grad({logits}, {leaf}, {wanted}).front();
    return LogitsAndGradient{
        std::move(detached),
        gradient.contiguous(images.suggest_memory_format())};
  }

 private:
  // The images as modules expect them: many call view(), which needs rows side
  // by side.
  at::Tensor Ready(const at::Tensor& images) const {
    TORCH_CHECK(images.dim() == 4 && images.sizes().slice(1) ==
                                         at::IntArrayRef(traits().image_shape),
                "images of shape ", images.sizes(), " where the model takes ",
                at::IntArrayRef(traits().image_shape));
    return images.to(traits().device).contiguous();
  }

  // Logits [N, classes], float32. Throws where the module gives something else.
  at::Tensor Forward(const at::Tensor& images) const {
    // Optimised after its first runs, a graph would give other bits than
    // before.
    const torch::jit::GraphOptimizerEnabledGuard as_written(false);
    // forward() is not const, though a module in evaluation mode stays as it
    // is; copies share everything.
    torch::jit::Module module = module_;
    const torch::jit::IValue out =
        module.forward({Preprocess(images, interface_.preprocessing)});
    // Some modules return auxiliary outputs behind the logits.
    const torch::jit::IValue first =
        out.isTuple() && !out.toTupleRef().elements().empty()
            ? out.toTupleRef().elements()[0]
            : out;
    TORCH_CHECK(first.isTensor(), "the module gives ", first.tagKind(),
                " where a tensor is wanted");
    at::Tensor logits = first.toTensor().to(at::kFloat);
    TORCH_CHECK(logits.dim() == 2 && logits.size(0) == images.size(0) &&
                    logits.size(1) == traits().classes,
                "the module gives a tensor of shape ", logits.sizes(),
                " where [", images.size(0), ", ", traits().classes,
                "] is wanted");
    return AnswerOf(logits, interface_).contiguous();
  }

  const torch::jit::Module module_;
  const ForeignInterface interface_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<const Network>> LoadTorchScript(
    absl::string_view bytes, const ForeignInterface& interface,
    at::Device device) {
  absl::Status status = Validate(interface);
  if (!status.ok()) return status;
  torch::jit::Module module;
  try {
    std::istringstream stream{std::string(bytes)};
    module = torch::jit::load(stream, device);
    // In evaluation mode dropout does nothing, and a batch normalisation uses
    // what it has stored. Only pixels need gradients.
    module.eval();
    for (const at::Tensor& parameter : module.parameters()) {
      parameter.requires_grad_(false);
    }
  } catch (const std::exception& error) {
    return absl::InvalidArgumentError(
        absl::StrCat("is no TorchScript module that this LibTorch can load: ",
                     FirstLine(error)));
  }
  auto network = std::make_unique<TorchScriptNetwork>(std::move(module),
                                                      interface, device);
  // A first call with two images tells what the module takes and gives, before
  // anybody relies on it.
  const at::Tensor images = GoldenInputs(2, interface.image_shape);
  try {
    status = network->Logits(images).status();
    if (status.ok() && interface.access == Access::kGradients) {
      status =
          network->LossGradient(images, at::zeros({2}, at::kLong)).status();
    }
    if (!status.ok()) return status;
  } catch (const std::exception& error) {
    return absl::InvalidArgumentError(
        absl::StrCat("the module does not run: ", FirstLine(error)));
  }
  return network;
}

}  // namespace adv
