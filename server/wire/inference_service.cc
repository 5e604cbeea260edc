#include "server/wire/inference_service.h"

#include <algorithm>
#include <utility>

#include "server/codec/codec_inference.h"
#include "server/compute/adversarial.h"
#include "server/compute/cost.h"
#include "server/wire/model_work.h"

namespace adv {
namespace {

RpcMetrics& InferenceMethod(const Parts& parts, const char* name) {
  return parts.metrics.Rpc(inference::GRPCInferenceService::service_full_name(),
                           name);
}

}  // namespace

InferenceService::InferenceService(const Parts& parts)
    : parts_(parts),
      server_live_(InferenceMethod(parts, "ServerLive")),
      server_ready_(InferenceMethod(parts, "ServerReady")),
      model_ready_(InferenceMethod(parts, "ModelReady")),
      server_metadata_(InferenceMethod(parts, "ServerMetadata")),
      model_metadata_(InferenceMethod(parts, "ModelMetadata")),
      model_infer_(InferenceMethod(parts, "ModelInfer")) {}

grpc::ServerUnaryReactor* InferenceService::ServerLive(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Receive({context, request, response, server_live_, parts_}, this,
                 &InferenceService::OnServerLive);
}

grpc::ServerUnaryReactor* InferenceService::ServerReady(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Receive({context, request, response, server_ready_, parts_}, this,
                 &InferenceService::OnServerReady);
}

grpc::ServerUnaryReactor* InferenceService::ModelReady(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Receive({context, request, response, model_ready_, parts_}, this,
                 &InferenceService::OnModelReady);
}

grpc::ServerUnaryReactor* InferenceService::ServerMetadata(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Receive({context, request, response, server_metadata_, parts_}, this,
                 &InferenceService::OnServerMetadata);
}

grpc::ServerUnaryReactor* InferenceService::ModelMetadata(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Receive({context, request, response, model_metadata_, parts_}, this,
                 &InferenceService::OnModelMetadata);
}

grpc::ServerUnaryReactor* InferenceService::ModelInfer(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Receive({context, request, response, model_infer_, parts_}, this,
                 &InferenceService::OnModelInfer);
}

void InferenceService::OnServerLive(UnaryCall* call,
                                    const inference::ServerLiveRequest&,
                                    inference::ServerLiveResponse* response) {
  response->set_live(true);
  call->Finish(absl::OkStatus());
}

void InferenceService::OnServerReady(UnaryCall* call,
                                     const inference::ServerReadyRequest&,
                                     inference::ServerReadyResponse* response) {
  const auto serving = parts_.models.Serving();
  response->set_ready(
      !parts_.draining &&
      std::any_of(serving.begin(), serving.end(),
                  [](const auto& model) { return model.second; }));
  call->Finish(absl::OkStatus());
}

void InferenceService::OnModelReady(UnaryCall* call,
                                    const inference::ModelReadyRequest& request,
                                    inference::ModelReadyResponse* response) {
  const absl::StatusOr<std::string> name =
      ModelNameOf(request.name(), request.version());
  if (!name.ok()) return call->Finish(name.status());
  // A question about readiness must not load a model.
  const auto model = parts_.models.BorrowLoaded(*name);
  response->set_ready(!parts_.draining && model.ok() && *model != nullptr);
  call->Finish(absl::OkStatus());
}

void InferenceService::OnServerMetadata(
    UnaryCall* call, const inference::ServerMetadataRequest&,
    inference::ServerMetadataResponse* response) {
  response->set_name("adv");
  response->set_version(ADV_VERSION);
  call->Finish(absl::OkStatus());
}

void InferenceService::OnModelMetadata(
    UnaryCall* call, const inference::ModelMetadataRequest& request,
    inference::ModelMetadataResponse* response) {
  const absl::StatusOr<std::string> name =
      ModelNameOf(request.name(), request.version());
  if (!name.ok()) return call->Finish(name.status());
  BorrowModels(parts_, call, *name, *name,
               [call, response](const ModelPtr& model, const ModelPtr&) {
                 EncodeModelMetadata(*model, response);
                 call->Finish(absl::OkStatus());
                 return absl::OkStatus();
               });
}

void InferenceService::OnModelInfer(UnaryCall* call,
                                    const inference::ModelInferRequest& request,
                                    inference::ModelInferResponse* response) {
  const absl::StatusOr<std::string> name =
      ModelNameOf(request.model_name(), request.model_version());
  if (!name.ok()) return call->Finish(name.status());
  // The request and the response live until Finish, so the work may refer to
  // them from other threads.
  const auto infer = [this, call, &request, response](ModelPtr model,
                                                      const ModelPtr&) {
    const bool shaped =
        request.inputs_size() > 0 && request.inputs(0).shape_size() > 0;
    if (absl::Status status = OfferClassify(
            parts_, *call, *model, shaped ? request.inputs(0).shape(0) : 0);
        !status.ok()) {
      return status;
    }
    absl::StatusOr<InferTask> task =
        DecodeInfer(request, std::move(model), parts_.limits);
    if (!task.ok()) return task.status();
    const int64_t images = task->images.size(0);
    JobOptions options = MakeJobOptions("classify", *task->model,
                                        images * kClassifyCost, task->images);
    Executor& executor = parts_.ExecutorFor(*task->model, *task->model);
    return Compute(
        call, executor, std::move(options),
        [this, &request, response, images, lane = options.lane,
         task = *std::move(task)](const BeforePass& before_pass) {
          const absl::StatusOr<at::Tensor> logits = ComputeLogits(
              task.model->NetworkFor(lane), task.images, before_pass);
          if (!logits.ok()) return logits.status();
          EncodeInfer(task, *logits, response);
          // By the protocol the answer repeats the request's id, which lets
          // clients match the two.
          response->set_id(request.id());
          parts_.metrics.CountClassified(task.model->manifest.name(), images);
          return absl::OkStatus();
        });
  };
  BorrowModels(parts_, call, *name, *name, infer);
}

}  // namespace adv
