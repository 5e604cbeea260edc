#include "server/wire/model_service.h"

#include <utility>

#include "server/compute/exceptions.h"
#include "server/telemetry/reload_log.h"
#include "server/wire/explain.h"

namespace adv {
namespace {

RpcMetrics& ModelMethod(const Parts& parts, const char* name) {
  return parts.metrics.Rpc(v1::ModelService::service_full_name(), name);
}

}  // namespace

ModelService::ModelService(const Parts& parts)
    : parts_(parts),
      list_models_(ModelMethod(parts, "ListModels")),
      get_model_(ModelMethod(parts, "GetModel")),
      reload_models_(ModelMethod(parts, "ReloadModels")) {}

grpc::ServerUnaryReactor* ModelService::ListModels(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Receive({context, request, response, list_models_, parts_}, this,
                 &ModelService::OnListModels);
}

grpc::ServerUnaryReactor* ModelService::GetModel(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Receive({context, request, response, get_model_, parts_}, this,
                 &ModelService::OnGetModel);
}

grpc::ServerUnaryReactor* ModelService::ReloadModels(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Receive({context, request, response, reload_models_, parts_}, this,
                 &ModelService::OnReloadModels);
}

void ModelService::OnListModels(UnaryCall* call, const v1::ListModelsRequest&,
                                v1::ListModelsResponse* response) {
  for (v1::Model& model : parts_.models.List()) {
    // A list of many models must stay small; GetModel has these.
    v1::ModelManifest* manifest = model.mutable_manifest();
    manifest->mutable_training()->clear_epochs();
    manifest->clear_golden();
    *response->add_models() = std::move(model);
  }
  call->Finish(absl::OkStatus());
}

void ModelService::OnGetModel(UnaryCall* call,
                              const v1::GetModelRequest& request,
                              v1::GetModelResponse* response) {
  absl::StatusOr<v1::Model> model = parts_.models.Get(request.model());
  const absl::Status status = model.status();
  if (status.ok()) *response->mutable_model() = *std::move(model);
  call->Finish(ExplainModel(status, request.model(), "model"));
}

void ModelService::OnReloadModels(UnaryCall* call,
                                  const v1::ReloadModelsRequest&,
                                  v1::ReloadModelsResponse* response) {
  // A reload reads disks and checks models, which gRPC's threads must not wait
  // for.
  const bool accepted = parts_.loader.Run([this, call, response] {
    call->Finish(CatchExceptions([this, response] {
      ReloadResult result = parts_.models.Reload();
      LogReload(result, &parts_.log);
      for (v1::ModelReference& loaded : result.loaded) {
        *response->add_loaded() = std::move(loaded);
      }
      for (v1::Model& failed : result.failed) {
        *response->add_failed() = std::move(failed);
      }
      return absl::OkStatus();
    }));
  });
  if (!accepted) call->Finish(TooManyCalls("models to load"));
}

}  // namespace adv
