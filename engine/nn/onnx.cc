#include "engine/nn/onnx.h"

#include <ATen/ATen.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <c10/core/GradMode.h>
#include <onnxruntime_cxx_api.h>

#include <algorithm>
#include <exception>
#include <string>
#include <utility>
#include <vector>

#include "engine/nn/batch_form.h"
#include "engine/nn/golden.h"

namespace adv {
namespace {

// ONNX Runtime wants one environment for the whole process. It is never
// destroyed, since sessions may outlive any static.
Ort::Env& Environment() {
  static auto* const environment = new Ort::Env(ORT_LOGGING_LEVEL_ERROR, "adv");
  return *environment;
}

// A session uses one thread: the server runs as many calls at once as there are
// cores.
Ort::SessionOptions Options() {
  Ort::SessionOptions options;
  options.SetIntraOpNumThreads(1);
  options.SetInterOpNumThreads(1);
  return options;
}

// What the model says of its input or output.
struct NamedTensor {
  std::string name;
  std::vector<int64_t> shape;  // -1: any size
  bool is_float = false;
};

NamedTensor DescribeTensor(std::string name, const Ort::TypeInfo& type) {
  NamedTensor tensor{std::move(name), {}, false};
  // A sequence or a map has no shape to ask for. Without is_float it fits
  // nothing.
  if (type.GetONNXType() != ONNX_TYPE_TENSOR) return tensor;
  const auto info = type.GetTensorTypeAndShapeInfo();
  tensor.shape = info.GetShape();
  tensor.is_float =
      info.GetElementType() == ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
  return tensor;
}

// Whether it is a float32 tensor [any N, wanted...]. The model may leave sizes
// open; then the first call decides.
bool Fits(const NamedTensor& tensor, const std::vector<int64_t>& wanted) {
  if (!tensor.is_float || tensor.shape.size() != wanted.size() + 1) {
    return false;
  }
  for (size_t i = 0; i < wanted.size(); ++i) {
    const int64_t size = tensor.shape[i + 1];
    if (size > 0 && size != wanted[i]) return false;
  }
  return true;
}

absl::Status WrongTensor(const char* what, const NamedTensor& tensor,
                         const std::vector<int64_t>& wanted) {
  return absl::InvalidArgumentError(
      absl::StrCat("the model's first ", what, " is ", tensor.name, " [",
                   absl::StrJoin(tensor.shape, ", "), "]",
                   tensor.is_float ? "" : " and no float32 tensor",
                   "; must be float32 [N, ", absl::StrJoin(wanted, ", "), "]"));
}

class OnnxNetwork final : public Network {
 public:
  OnnxNetwork(const ForeignInterface& interface, Ort::Session session,
              NamedTensor input, NamedTensor output)
      : Network(TraitsOf(interface, at::kCPU)),
        interface_(interface),
        session_(std::move(session)),
        input_(std::move(input)),
        output_(std::move(output)) {}

  absl::StatusOr<at::Tensor> Logits(const at::Tensor& images) const override {
    const at::NoGradGuard without_graph;
    const at::Tensor ready = InputOf(images, interface_);
    // Where the model takes any N, the second number is -1, and all rows go in
    // one call.
    const BatchForm form{ready.size(0), input_.shape[0]};
    const absl::StatusOr<at::Tensor> output =
        InBatches(ready, form, [this](const at::Tensor& part) {
          return absl::StatusOr<at::Tensor>(Run(part.contiguous()));
        });
    if (!output.ok()) return output;
    return AnswerOf(*output, interface_);
  }

 private:
  // Throws Ort::Exception, as LibTorch throws its own.
  at::Tensor Run(const at::Tensor& images) const {
    const Ort::MemoryInfo memory =
        Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
    // The value does not copy the pixels: it reads them from `images`, row by
    // row as they lie, so the tensor must be contiguous.
    const Ort::Value input = Ort::Value::CreateTensor<float>(
        memory, images.data_ptr<float>(), images.numel(), images.sizes().data(),
        images.dim());
    const char* const input_name = input_.name.c_str();
    const char* const output_name = output_.name.c_str();
    // Run is thread-safe, though it is not const.
    const std::vector<Ort::Value> found =
        const_cast<Ort::Session&>(session_).Run(
            Ort::RunOptions{nullptr}, &input_name, &input, 1, &output_name, 1);
    const std::vector<int64_t> shape =
        found[0].GetTensorTypeAndShapeInfo().GetShape();
    TORCH_CHECK(
        shape == std::vector<int64_t>({images.size(0), interface_.classes}),
        "the model gives a tensor of shape ", at::IntArrayRef(shape));
    // The values belong to `found` and end with it.
    at::Tensor output = at::empty(shape, at::kFloat);
    std::copy_n(found[0].GetTensorData<float>(), output.numel(),
                output.data_ptr<float>());
    return output;
  }

  const ForeignInterface interface_;
  const Ort::Session session_;
  const NamedTensor input_, output_;
};

// May throw what ONNX Runtime or LibTorch throws.
absl::StatusOr<std::unique_ptr<const Network>> LoadSession(
    absl::string_view bytes, const ForeignInterface& interface) {
  Ort::Session session(Environment(), bytes.data(), bytes.size(), Options());
  if (session.GetInputCount() != 1 || session.GetOutputCount() < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("the model has ", session.GetInputCount(), " inputs and ",
                     session.GetOutputCount(),
                     " outputs; must take images alone and give an output"));
  }
  Ort::AllocatorWithDefaultOptions allocator;
  NamedTensor input =
      DescribeTensor(session.GetInputNameAllocated(0, allocator).get(),
                     session.GetInputTypeInfo(0));
  NamedTensor output =
      DescribeTensor(session.GetOutputNameAllocated(0, allocator).get(),
                     session.GetOutputTypeInfo(0));
  if (!Fits(input, interface.image_shape)) {
    return WrongTensor("input", input, interface.image_shape);
  }
  if (!Fits(output, {interface.classes})) {
    return WrongTensor("output", output, {interface.classes});
  }
  auto network = std::make_unique<const OnnxNetwork>(
      interface, std::move(session), std::move(input), std::move(output));
  const absl::Status status =
      network->Logits(GoldenInputs(2, interface.image_shape)).status();
  if (!status.ok()) return status;
  return network;
}

}  // namespace

bool HasOnnx() { return true; }

absl::StatusOr<std::unique_ptr<const Network>> LoadOnnx(
    absl::string_view bytes, const ForeignInterface& interface) {
  if (absl::Status status = Validate(interface); !status.ok()) return status;
  if (interface.access == Access::kGradients) {
    return absl::InvalidArgumentError(
        "access: ONNX models give scores or decisions, no gradients");
  }
  try {
    return LoadSession(bytes, interface);
  } catch (const std::exception& error) {
    return absl::InvalidArgumentError(absl::StrCat(
        "is no ONNX model that this ONNX Runtime can run: ", error.what()));
  }
}

}  // namespace adv
