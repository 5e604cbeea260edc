// What endpoints answer, over a connection as theirs: any answer gives scores
// of the right shape or an error with a reason. A letter picks the answer, its
// message follows: M, a ModelMetadataResponse; I, a ModelInferResponse.
#include <ATen/ATen.h>
#include <google/protobuf/stubs/logging.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "server/compute/remote_network.h"
#include "server/wire/errors.h"
#include "tests/server/compute/scripted_endpoint.h"

namespace adv {
namespace {

inference::ModelMetadataResponse SoundMetadata() {
  inference::ModelMetadataResponse metadata;
  metadata.set_name("cat");
  AddTensor("x", "FP32", {-1, 1, 2, 2}, metadata.add_inputs());
  AddTensor("y", "FP32", {-1, 2}, metadata.add_outputs());
  return metadata;
}

// An endpoint and the model behind it. Calls come one after the other.
struct Lab {
  inference::ModelInferResponse answer;
  ScriptedEndpoint server{[this](auto*, const auto&, auto* response) {
    *response = answer;
    return grpc::Status::OK;
  }};
  std::shared_ptr<Endpoint> endpoint = [this] {
    EndpointOptions options;
    options.name = "lab";
    options.target = server.target();
    options.retries = 0;
    return std::make_shared<Endpoint>(options);
  }();
  RemoteModel model = [] {
    RemoteModel cat;
    cat.name = "cat";
    cat.interface.image_shape = {1, 2, 2};
    cat.interface.classes = 2;
    cat.interface.access = Access::kScores;
    return cat;
  }();
};

Lab& TheLab() {
  static auto& lab = *new Lab;
  return lab;
}

void Require(bool holds) {
  if (!holds) std::abort();
}

void FuzzMetadata(const std::string& bytes) {
  Lab& lab = TheLab();
  if (!lab.server.metadata.ParseFromString(bytes)) return;
  const auto network = RemoteNetwork::Make(lab.endpoint, lab.model);
  Require(network.ok() || !network.status().message().empty());
}

void FuzzAnswer(const std::string& bytes) {
  Lab& lab = TheLab();
  if (!lab.answer.ParseFromString(bytes)) return;
  lab.server.metadata = SoundMetadata();
  static const auto kNetwork =
      RemoteNetwork::Make(lab.endpoint, lab.model).value();
  const auto scores = kNetwork->Logits(at::zeros({2, 1, 2, 2}));
  if (!scores.ok()) {
    Require(HasReason(scores.status(), Reason::kModelUnreachable));
    return;
  }
  Require(scores->sizes() == at::IntArrayRef({2, 2}));
  Require(scores->isfinite().all().item<bool>());
}

}  // namespace
}  // namespace adv

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  google::protobuf::SetLogHandler(nullptr);  // a line for each bad string
  if (size == 0) return 0;
  const std::string rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] == 'M') adv::FuzzMetadata(rest);
  if (data[0] == 'I') adv::FuzzAnswer(rest);
  return 0;
}
