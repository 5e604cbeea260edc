// Requests of the Open Inference Protocol: decoding survives anything, and what
// is accepted is an image batch of the model. A letter picks the message: R, a
// ModelInferRequest; V, a name and in the next line a version.
#include <ATen/ATen.h>
#include <google/protobuf/stubs/logging.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "server/codec/codec_inference.h"
#include "server/wire/errors.h"
#include "tests/server/toy_model.h"

namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

void FuzzInfer(const std::string& bytes) {
  static const auto kModel = adv::MakeToyModel();
  inference::ModelInferRequest request;
  if (!request.ParseFromString(bytes)) return;
  adv::Limits limits;
  limits.images_per_request = 4;
  const auto task = adv::DecodeInfer(request, kModel, limits);
  if (!task.ok()) {
    Require(adv::HasReason(task.status(), adv::Reason::kInvalidRequest));
    return;
  }
  const at::Tensor& images = task->images;
  Require(images.size(0) >= 1 && images.size(0) <= 4);
  Require(images.sizes().slice(1) == at::IntArrayRef({3, 2, 2}));
  Require(images.ge(0).logical_and(images.le(1)).all().item<bool>());
  Require(!task->outputs.empty());
  inference::ModelInferResponse response;
  adv::EncodeInfer(*task, kModel->network->Logits(images).value(), &response);
  Require(response.outputs_size() == static_cast<int>(task->outputs.size()));
}

void FuzzName(const std::string& text) {
  const size_t line = text.find('\n');
  const std::string name = text.substr(0, line);
  const std::string version =
      line == std::string::npos ? "" : text.substr(line + 1);
  const auto known = adv::ModelNameOf(name, version);
  if (!known.ok()) {
    Require(adv::HasReason(known.status(), adv::Reason::kInvalidRequest));
    return;
  }
  Require(known->compare(0, name.size(), name) == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  google::protobuf::SetLogHandler(nullptr);  // a line for each bad string
  if (size == 0) return 0;
  const std::string rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] == 'R') FuzzInfer(rest);
  if (data[0] == 'V') FuzzName(rest);
  return 0;
}
