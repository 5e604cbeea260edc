#ifndef ADV_SERVER_CODEC_CODEC_INFERENCE_H_
#define ADV_SERVER_CODEC_CODEC_INFERENCE_H_

#include <ATen/core/Tensor.h>
#include <absl/status/statusor.h>

#include <memory>
#include <string>
#include <vector>

#include "inference/open_inference.pb.h"
#include "server/limits.h"
#include "server/models/served_model.h"

namespace adv {

// The Open Inference Protocol, between the wire and the engine. A model takes
// one tensor "images", FP32 [-1, channels, height, width], pixels in [0, 1]
// whatever it wants inside. It gives "class", INT64 [-1], and, unless it tells
// decisions alone, "logits", FP32 [-1, classes].

// "no-cat", or "no-cat@2" for the version "2", as the model registry takes it.
// INVALID_ARGUMENT if the version is no number above 0.
absl::StatusOr<std::string> ModelNameOf(const std::string& name,
                                        const std::string& version);

void EncodeModelMetadata(const ServedModel& model,
                         inference::ModelMetadataResponse* response);

struct InferTask {
  std::shared_ptr<const ServedModel> model;
  at::Tensor images;  // [N, channels, height, width] float32 in [0, 1]
  // The outputs in the order in which they were asked for.
  std::vector<std::string> outputs;
  // Whether the outputs go back as raw contents, as the images came.
  bool raw = false;
};

// INVALID_ARGUMENT names all that is wrong at once.
absl::StatusOr<InferTask> DecodeInfer(
    const inference::ModelInferRequest& request,
    std::shared_ptr<const ServedModel> model, const Limits& limits);

// `logits` [N, classes] on the CPU.
void EncodeInfer(const InferTask& task, const at::Tensor& logits,
                 inference::ModelInferResponse* response);

}  // namespace adv

#endif  // ADV_SERVER_CODEC_CODEC_INFERENCE_H_
