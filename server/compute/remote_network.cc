#include "server/compute/remote_network.h"

#include <ATen/ATen.h>
#include <absl/memory/memory.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/nn/batch_form.h"
#include "server/codec/inference_tensor.h"
#include "server/wire/errors.h"

namespace adv {
namespace {

using TensorMetadata = inference::ModelMetadataResponse::TensorMetadata;

// `"images" "FP32" [-1, 3, 32, 32]`, for errors. The server wrote the names, so
// they are quoted.
std::string Describe(const TensorMetadata& tensor) {
  return absl::StrCat(Quote(tensor.name()), " ", Quote(tensor.datatype()), " [",
                      absl::StrJoin(tensor.shape(), ", "), "]");
}

std::string Describe(
    const google::protobuf::RepeatedPtrField<TensorMetadata>& tensors) {
  return absl::StrJoin(tensors, "; ",
                       [](std::string* out, const TensorMetadata& tensor) {
                         out->append(Describe(tensor));
                       });
}

// Whether `shape` is [N, wanted...], -1 being any size.
bool Fits(const google::protobuf::RepeatedField<int64_t>& shape,
          const std::vector<int64_t>& wanted) {
  if (shape.size() != static_cast<int>(wanted.size()) + 1) return false;
  // The batch may have a fixed size. -1 leaves it open.
  if (shape[0] < -1 || shape[0] == 0) return false;
  for (size_t i = 0; i < wanted.size(); ++i) {
    const int64_t size = shape[static_cast<int>(i) + 1];
    if (size != -1 && size != wanted[i]) return false;
  }
  return true;
}

NetworkTraits TraitsOf(const RemoteModel& model) {
  NetworkTraits traits = TraitsOf(model.interface, at::kCPU);
  // The endpoint forms its own batches, so padding makes nothing exact. Each
  // image that pads a call would count as a query.
  traits.padding_helps = false;
  return traits;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const RemoteNetwork>> RemoteNetwork::Make(
    std::shared_ptr<Endpoint> endpoint, const RemoteModel& model) {
  const absl::StatusOr<inference::ModelMetadataResponse> metadata =
      endpoint->Metadata(model.name, model.version);
  if (!metadata.ok()) return metadata.status();
  absl::StatusOr<Tensors> tensors = CheckMetadata(*metadata, model);
  if (!tensors.ok()) return tensors.status();
  return absl::WrapUnique(
      new RemoteNetwork(std::move(endpoint), model, *std::move(tensors), {}));
}

RemoteNetwork::RemoteNetwork(std::shared_ptr<Endpoint> endpoint,
                             const RemoteModel& model, Tensors tensors,
                             Asker asker)
    : Network(TraitsOf(model)),
      endpoint_(std::move(endpoint)),
      model_(model),
      tensors_(std::move(tensors)),
      asker_(std::move(asker)) {}

std::unique_ptr<const Network> RemoteNetwork::For(const Asker& asker) const {
  return absl::WrapUnique(
      new RemoteNetwork(endpoint_, model_, tensors_, asker));
}

absl::StatusOr<RemoteNetwork::Tensors> RemoteNetwork::CheckMetadata(
    const inference::ModelMetadataResponse& metadata,
    const RemoteModel& model) {
  if (metadata.inputs_size() != 1 || metadata.inputs(0).datatype() != kFp32 ||
      !Fits(metadata.inputs(0).shape(), model.interface.image_shape)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the endpoint's model takes ", Describe(metadata.inputs()),
                     "; must take one input FP32 [-1, ",
                     absl::StrJoin(model.interface.image_shape, ", "),
                     "] as image_shape says"));
  }
  Tensors tensors;
  tensors.input = metadata.inputs(0).name();
  // -1, any number, becomes 0.
  tensors.fixed_batch = std::max<int64_t>(metadata.inputs(0).shape(0), 0);
  // Scores come first: they say more than the class does.
  for (const TensorMetadata& output : metadata.outputs()) {
    if (output.datatype() == kFp32 &&
        Fits(output.shape(), {model.interface.classes})) {
      tensors.output = output.name();
      return tensors;
    }
  }
  for (const TensorMetadata& output : metadata.outputs()) {
    if (model.interface.access == Access::kDecisions &&
        output.datatype() == kInt64 &&
        // [N, 1] holds the same values as [N], so both are read alike.
        (Fits(output.shape(), {}) || Fits(output.shape(), {1}))) {
      tensors.output = output.name();
      tensors.output_is_class = true;
      return tensors;
    }
  }
  return absl::InvalidArgumentError(
      absl::StrCat("the endpoint's model gives ", Describe(metadata.outputs()),
                   "; must give FP32 [-1, ", model.interface.classes,
                   "], one score for each class",
                   model.interface.access == Access::kDecisions
                       ? ", or the class as INT64 [-1]"
                       : ""));
}

absl::StatusOr<at::Tensor> RemoteNetwork::Logits(
    const at::Tensor& images) const {
  const at::NoGradGuard without_graph;
  // Callers have pixels of [0, 1]. The model gets them preprocessed.
  const at::Tensor ready = InputOf(images, model_.interface);
  absl::StatusOr<at::Tensor> output = InBatches(
      ready, {model_.max_batch, tensors_.fixed_batch},
      [this](const at::Tensor& part) { return Ask(part.contiguous()); });
  if (!output.ok()) return output;
  return tensors_.output_is_class ? OneHot(*output, traits().classes)
                                  : AnswerOf(*output, model_.interface);
}

// An answer that breaks the protocol has the same reason as no answer: the
// evaluation fails, and resumes when it is asked for again.
absl::Status RemoteNetwork::BadAnswer(const std::string& what) const {
  return Error(Reason::kModelUnreachable,
               absl::StrCat("endpoint ", endpoint_->name(), ", model ",
                            Quote(model_.name), ": the answer ", what));
}

absl::StatusOr<at::Tensor> RemoteNetwork::Ask(const at::Tensor& images) const {
  inference::ModelInferRequest request;
  request.set_model_name(model_.name);
  request.set_model_version(model_.version);
  auto* input = request.add_inputs();
  input->set_name(tensors_.input);
  input->set_datatype(kFp32);
  for (const int64_t size : images.sizes()) input->add_shape(size);
  request.add_raw_input_contents(RawContents(images));
  // Other outputs of the model would only cost time.
  request.add_outputs()->set_name(tensors_.output);
  const int64_t count = images.size(0);
  const absl::StatusOr<inference::ModelInferResponse> response =
      endpoint_->Infer(request, count, asker_);
  if (!response.ok()) return response.status();
  absl::StatusOr<at::Tensor> values = ValuesOf(*response, count);
  if (!values.ok()) return values;
  if (!tensors_.output_is_class) {
    // Further on such a score would look like a fault of this server.
    if (values->isfinite().all().item<bool>()) return values;
    return BadAnswer("has a score that is not finite");
  }
  const int64_t classes = traits().classes;
  // OneHot takes the classes as indices, so they must be in range.
  const at::Tensor outside = values->lt(0).logical_or(values->ge(classes));
  if (!outside.any().item<bool>()) return values;
  return BadAnswer(
      absl::StrCat("names a class outside [0, ", classes - 1, "]"));
}

absl::StatusOr<at::Tensor> RemoteNetwork::ValuesOf(
    const inference::ModelInferResponse& response, int64_t count) const {
  // A server may answer with more outputs, or in another order.
  int index = 0;
  while (index < response.outputs_size() &&
         response.outputs(index).name() != tensors_.output) {
    ++index;
  }
  if (index == response.outputs_size()) {
    return BadAnswer(absl::StrCat("has no output ", Quote(tensors_.output)));
  }
  const auto& contents = response.outputs(index).contents();
  const bool is_class = tensors_.output_is_class;
  at::Tensor values = is_class
                          ? at::empty({count}, at::kLong)
                          : at::empty({count, traits().classes}, at::kFloat);
  // Servers may answer with raw bytes or with typed numbers, whatever the
  // request used.
  const void* from = nullptr;
  size_t bytes = 0;
  // By the protocol raw contents stand in the order of the outputs.
  if (index < response.raw_output_contents_size()) {
    from = response.raw_output_contents(index).data();
    bytes = response.raw_output_contents(index).size();
  } else if (is_class) {
    from = contents.int64_contents().data();
    bytes = contents.int64_contents_size() * sizeof(int64_t);
  } else {
    from = contents.fp32_contents().data();
    bytes = contents.fp32_contents_size() * sizeof(float);
  }
  // The answer is outside data: its size is checked before it is copied.
  if (bytes != values.nbytes()) {
    return BadAnswer(absl::StrCat("for ", count, " images has ", bytes,
                                  " bytes; must have ", values.nbytes()));
  }
  std::memcpy(values.data_ptr(), from, bytes);
  return values;
}

}  // namespace adv
