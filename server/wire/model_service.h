#ifndef ADV_SERVER_WIRE_MODEL_SERVICE_H_
#define ADV_SERVER_WIRE_MODEL_SERVICE_H_

#include "adv/v1/model_service.grpc.pb.h"
#include "server/parts.h"
#include "server/wire/call.h"

namespace adv {

class ModelService final
    : public RawMethods<
          v1::ModelService::Service,
          v1::ModelService::WithRawCallbackMethod_ListModels,
          v1::ModelService::WithRawCallbackMethod_GetModel,
          v1::ModelService::WithRawCallbackMethod_ReloadModels,
          v1::ModelService::WithRawCallbackMethod_SetModelAlias,
          v1::ModelService::WithRawCallbackMethod_DeleteModelAlias> {
 public:
  // `parts` must outlive it.
  explicit ModelService(const Parts& parts);

  grpc::ServerUnaryReactor* ListModels(grpc::CallbackServerContext* context,
                                       const grpc::ByteBuffer* request,
                                       grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* GetModel(grpc::CallbackServerContext* context,
                                     const grpc::ByteBuffer* request,
                                     grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* ReloadModels(grpc::CallbackServerContext* context,
                                         const grpc::ByteBuffer* request,
                                         grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* SetModelAlias(grpc::CallbackServerContext* context,
                                          const grpc::ByteBuffer* request,
                                          grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* DeleteModelAlias(
      grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
      grpc::ByteBuffer* response) override;

 private:
  void OnListModels(UnaryCall* call, const v1::ListModelsRequest& request,
                    v1::ListModelsResponse* response);
  void OnGetModel(UnaryCall* call, const v1::GetModelRequest& request,
                  v1::GetModelResponse* response);
  void OnReloadModels(UnaryCall* call, const v1::ReloadModelsRequest& request,
                      v1::ReloadModelsResponse* response);
  void OnSetModelAlias(UnaryCall* call, const v1::SetModelAliasRequest& request,
                       v1::SetModelAliasResponse* response);
  void OnDeleteModelAlias(UnaryCall* call,
                          const v1::DeleteModelAliasRequest& request,
                          v1::DeleteModelAliasResponse* response);

  absl::Status SetAlias(const Identity& caller,
                        const v1::SetModelAliasRequest& request,
                        v1::SetModelAliasResponse* response);
  absl::Status DeleteAlias(const Identity& caller, const std::string& alias);
  v1::ModelAlias Describe(const std::string& alias,
                          const std::string& target) const;

  const Parts& parts_;
  RpcMetrics& list_models_;
  RpcMetrics& get_model_;
  RpcMetrics& reload_models_;
  RpcMetrics& set_model_alias_;
  RpcMetrics& delete_model_alias_;
};

}  // namespace adv

#endif  // ADV_SERVER_WIRE_MODEL_SERVICE_H_
