#include "server/wire/model_service.h"

#include <absl/strings/str_cat.h>

#include <utility>

#include "server/compute/exceptions.h"
#include "server/telemetry/reload_log.h"
#include "server/wire/errors.h"
#include "server/wire/explain.h"

namespace adv {
namespace {

RpcMetrics& ModelMethod(const Parts& parts, const char* name) {
  return parts.metrics.Rpc(v1::ModelService::service_full_name(), name);
}

// For errors of ModelAliases that are about its file.
absl::Status ExplainAlias(const absl::Status& status) {
  if (!absl::IsResourceExhausted(status)) return status;
  return Error(Reason::kStorageFull, status.message());
}

}  // namespace

ModelService::ModelService(const Parts& parts)
    : parts_(parts),
      list_models_(ModelMethod(parts, "ListModels")),
      get_model_(ModelMethod(parts, "GetModel")),
      reload_models_(ModelMethod(parts, "ReloadModels")),
      set_model_alias_(ModelMethod(parts, "SetModelAlias")),
      delete_model_alias_(ModelMethod(parts, "DeleteModelAlias")) {}

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

grpc::ServerUnaryReactor* ModelService::SetModelAlias(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Receive({context, request, response, set_model_alias_, parts_}, this,
                 &ModelService::OnSetModelAlias);
}

grpc::ServerUnaryReactor* ModelService::DeleteModelAlias(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Receive({context, request, response, delete_model_alias_, parts_},
                 this, &ModelService::OnDeleteModelAlias);
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
  for (const auto& [alias, target] : parts_.models.aliases().List()) {
    *response->add_aliases() = Describe(alias, target);
  }
  call->Finish(absl::OkStatus());
}

void ModelService::OnGetModel(UnaryCall* call,
                              const v1::GetModelRequest& request,
                              v1::GetModelResponse* response) {
  absl::StatusOr<v1::Model> model = parts_.models.Get(request.model());
  const absl::Status status = model.status();
  if (!status.ok()) {
    return call->Finish(ExplainModel(status, request.model(), "model"));
  }
  for (const auto& [alias, target] : parts_.models.aliases().List()) {
    const v1::ModelAlias described = Describe(alias, target);
    if (described.model().name() == model->name() &&
        described.model().version() == model->version()) {
      response->add_aliases(alias);
    }
  }
  *response->mutable_model() = *std::move(model);
  call->Finish(absl::OkStatus());
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

void ModelService::OnSetModelAlias(UnaryCall* call,
                                   const v1::SetModelAliasRequest& request,
                                   v1::SetModelAliasResponse* response) {
  // The model may have to be loaded.
  const bool accepted = parts_.loader.Run([this, call, &request, response] {
    call->Finish(CatchExceptions([this, call, &request, response] {
      return SetAlias(call->frame().caller(), request, response);
    }));
  });
  if (!accepted) call->Finish(TooManyCalls("models to load"));
}

void ModelService::OnDeleteModelAlias(
    UnaryCall* call, const v1::DeleteModelAliasRequest& request,
    v1::DeleteModelAliasResponse*) {
  const bool accepted = parts_.storage.Run([this, call, &request] {
    call->Finish(CatchExceptions([this, call, &request] {
      return DeleteAlias(call->frame().caller(), request.alias());
    }));
  });
  if (!accepted) call->Finish(TooManyCalls("the disk"));
}

absl::Status ModelService::SetAlias(const Identity& caller,
                                    const v1::SetModelAliasRequest& request,
                                    v1::SetModelAliasResponse* response) {
  const std::string& alias = request.alias();
  absl::Status status = parts_.models.CheckAlias(alias);
  if (!status.ok()) return ExplainModel(status, alias, "alias");
  status = parts_.models.SetAlias(alias, request.model());
  if (!status.ok()) {
    return ExplainModel(ExplainAlias(status), request.model(), "model");
  }
  *response->mutable_alias() =
      Describe(alias, parts_.models.aliases().TargetOf(alias));
  parts_.log.Info("model_alias_set", {{"alias", alias},
                                      {"target", response->alias().target()},
                                      {"identity", caller.name}});
  return absl::OkStatus();
}

absl::Status ModelService::DeleteAlias(const Identity& caller,
                                       const std::string& alias) {
  const absl::Status status = parts_.models.aliases().Delete(alias);
  if (absl::IsNotFound(status)) {
    return NotFound(Reason::kModelNotFound, "adv.v1.ModelAlias", alias,
                    absl::StrCat("there is no alias ", Quote(alias)));
  }
  if (!status.ok()) return ExplainAlias(status);
  parts_.log.Info("model_alias_deleted",
                  {{"alias", alias}, {"identity", caller.name}});
  return absl::OkStatus();
}

v1::ModelAlias ModelService::Describe(const std::string& alias,
                                      const std::string& target) const {
  v1::ModelAlias described;
  described.set_name(alias);
  described.set_target(target);
  if (const auto model = parts_.models.Get(target); model.ok()) {
    described.mutable_model()->set_name(model->name());
    described.mutable_model()->set_version(model->version());
    described.mutable_model()->set_digest(model->digest());
  }
  return described;
}

}  // namespace adv
