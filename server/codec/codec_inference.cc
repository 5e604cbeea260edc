#include "server/codec/codec_inference.h"

#include <ATen/ATen.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "server/codec/codec_images.h"
#include "server/codec/inference_tensor.h"

namespace adv {
namespace {

constexpr char kImages[] = "images";
constexpr char kLogits[] = "logits";
constexpr char kClass[] = "class";

// The outputs of a model. One that tells only its decisions has no logits: the
// rows of its network are 1 at the class and 0 elsewhere.
std::vector<std::string> OutputsOf(const NetworkTraits& traits) {
  if (traits.access < Access::kScores) return {kClass};
  return {kLogits, kClass};
}

// The tensor's float32 values as the bytes of an ImageBatch. The protocol has
// two places for them, and a request may use only one. With both, or with
// several raw entries, it records a violation. Without values it returns no
// bytes, which DecodeImages refuses.
std::string ValuesOf(const inference::ModelInferRequest& request,
                     FieldViolations* violations) {
  const auto& typed = request.inputs(0).contents().fp32_contents();
  if (request.raw_input_contents_size() == 0) {
    return {reinterpret_cast<const char*>(typed.data()),
            typed.size() * sizeof(float)};
  }
  if (request.raw_input_contents_size() > 1 || !typed.empty()) {
    violations->Add("raw_input_contents",
                    "must be one entry, and contents of the input be absent");
  }
  return request.raw_input_contents(0);
}

void DecodeOutputs(const inference::ModelInferRequest& request, InferTask* task,
                   FieldViolations* violations) {
  const std::vector<std::string> known =
      OutputsOf(task->model->network->traits());
  for (int i = 0; i < request.outputs_size(); ++i) {
    const std::string& name = request.outputs(i).name();
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      violations->Add(absl::StrCat("outputs[", i, "].name"),
                      absl::StrCat("is ", Quote(name), "; must be one of ",
                                   absl::StrJoin(known, ", ")));
    }
    task->outputs.push_back(name);
  }
  // In the protocol a request that names no outputs asks for all of them.
  if (task->outputs.empty()) task->outputs = known;
}

}  // namespace

absl::StatusOr<std::string> ModelNameOf(const std::string& name,
                                        const std::string& version) {
  if (version.empty()) return name;
  uint64_t number = 0;
  if (!absl::SimpleAtoi(version, &number) || number == 0) {
    FieldViolations violations;
    violations.Add("version",
                   absl::StrCat("is ", Quote(version),
                                "; must be a number above 0, or empty for the "
                                "newest"));
    return violations.status();
  }
  // The number is printed again, so that "02" and "2" are one version.
  return absl::StrCat(name, "@", number);
}

void EncodeModelMetadata(const ServedModel& model,
                         inference::ModelMetadataResponse* response) {
  const NetworkTraits& traits = model.network->traits();
  response->set_name(model.manifest.name());
  response->add_versions(absl::StrCat(model.manifest.version()));
  response->set_platform("adv");
  auto* input = response->add_inputs();
  input->set_name(kImages);
  input->set_datatype(kFp32);
  // -1 is the protocol's size for a dimension that varies, here the batch.
  input->add_shape(-1);
  for (const int64_t size : traits.image_shape) input->add_shape(size);
  for (const std::string& name : OutputsOf(traits)) {
    auto* output = response->add_outputs();
    output->set_name(name);
    output->set_datatype(name == kLogits ? kFp32 : kInt64);
    output->add_shape(-1);
    if (name == kLogits) output->add_shape(traits.classes);
  }
}

absl::StatusOr<InferTask> DecodeInfer(
    const inference::ModelInferRequest& request,
    std::shared_ptr<const ServedModel> model, const Limits& limits) {
  InferTask task;
  task.model = std::move(model);
  task.raw = request.raw_input_contents_size() > 0;
  FieldViolations violations;
  DecodeOutputs(request, &task, &violations);
  if (request.inputs_size() != 1) {
    violations.Add("inputs",
                   absl::StrCat("has ", request.inputs_size(),
                                " entries; must have one, ", kImages));
    return violations.status();
  }
  const auto& input = request.inputs(0);
  if (input.name() != kImages) {
    violations.Add("inputs[0].name", absl::StrCat("is ", Quote(input.name()),
                                                  "; must be ", kImages));
  }
  if (input.datatype() != kFp32) {
    violations.Add(
        "inputs[0].datatype",
        absl::StrCat("is ", Quote(input.datatype()), "; must be ", kFp32));
  }
  // As an ImageBatch the tensor passes the same checks as the images of
  // Classify.
  v1::ImageBatch batch;
  batch.set_data_type(v1::DATA_TYPE_FLOAT32);
  batch.set_layout(v1::IMAGE_LAYOUT_NCHW);
  *batch.mutable_shape() = input.shape();
  batch.set_data(ValuesOf(request, &violations));
  task.images = DecodeImages(batch, "inputs[0]",
                             task.model->network->traits().image_shape, limits,
                             &violations);
  if (!violations.empty()) return violations.status();
  return task;
}

void EncodeInfer(const InferTask& task, const at::Tensor& logits,
                 inference::ModelInferResponse* response) {
  response->set_model_name(task.model->manifest.name());
  response->set_model_version(absl::StrCat(task.model->manifest.version()));
  for (const std::string& name : task.outputs) {
    const bool scores = name == kLogits;
    const at::Tensor values =
        scores ? logits.contiguous() : logits.argmax(1).contiguous();
    auto* output = response->add_outputs();
    output->set_name(name);
    output->set_datatype(scores ? kFp32 : kInt64);
    for (const int64_t size : values.sizes()) output->add_shape(size);
    if (task.raw) {
      response->add_raw_output_contents(RawContents(values));
    } else if (scores) {
      const float* from = values.data_ptr<float>();
      output->mutable_contents()->mutable_fp32_contents()->Add(
          from, from + values.numel());
    } else {
      const int64_t* from = values.data_ptr<int64_t>();
      output->mutable_contents()->mutable_int64_contents()->Add(
          from, from + values.numel());
    }
  }
}

}  // namespace adv
