#ifndef ADV_TESTS_SERVER_COMPUTE_SCRIPTED_ENDPOINT_H_
#define ADV_TESTS_SERVER_COMPUTE_SCRIPTED_ENDPOINT_H_

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "inference/open_inference.grpc.pb.h"
#include "server/compute/mutex.h"

namespace adv {

// A server of the Open Inference Protocol whose answers a test writes.
class ScriptedEndpoint final : public inference::GRPCInferenceService::Service {
 public:
  using Infer = std::function<grpc::Status(grpc::ServerContext*,
                                           const inference::ModelInferRequest&,
                                           inference::ModelInferResponse*)>;

  // `infer` answers; it is called by several threads at once.
  explicit ScriptedEndpoint(Infer infer) : infer_(std::move(infer)) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                             &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~ScriptedEndpoint() override {
    server_->Shutdown(std::chrono::system_clock::now());
  }

  std::string target() const { return "127.0.0.1:" + std::to_string(port_); }

  inference::ModelMetadataResponse metadata;  // set before the first call

  // Images of each call so far, in order.
  std::vector<int64_t> calls() const {
    MutexLock lock(mutex_);
    return calls_;
  }

  grpc::Status ModelMetadata(
      grpc::ServerContext*, const inference::ModelMetadataRequest* request,
      inference::ModelMetadataResponse* response) override {
    if (metadata.name() != request->name()) {
      return {grpc::StatusCode::NOT_FOUND, "no model " + request->name()};
    }
    *response = metadata;
    return grpc::Status::OK;
  }

  grpc::Status ModelInfer(grpc::ServerContext* context,
                          const inference::ModelInferRequest* request,
                          inference::ModelInferResponse* response) override {
    {
      MutexLock lock(mutex_);
      calls_.push_back(
          request->inputs_size() == 0 ? 0 : request->inputs(0).shape(0));
    }
    return infer_(context, *request, response);
  }

 private:
  const Infer infer_;
  int port_ = 0;
  mutable Mutex mutex_;
  std::vector<int64_t> calls_ ADV_GUARDED_BY(mutex_);
  std::unique_ptr<grpc::Server> server_;
};

inline void AddTensor(
    const std::string& name, const std::string& datatype,
    const std::vector<int64_t>& shape,
    inference::ModelMetadataResponse::TensorMetadata* tensor) {
  tensor->set_name(name);
  tensor->set_datatype(datatype);
  tensor->mutable_shape()->Assign(shape.begin(), shape.end());
}

}  // namespace adv

#endif  // ADV_TESTS_SERVER_COMPUTE_SCRIPTED_ENDPOINT_H_
