#include "server/server_service.h"

#include <utility>

namespace adv {

ServerService::ServerService(const Parts& parts, v1::GetServerInfoResponse info)
    : parts_(parts),
      info_(std::move(info)),
      get_server_info_(parts.metrics.Rpc(v1::ServerService::service_full_name(),
                                         "GetServerInfo")) {}

grpc::ServerUnaryReactor* ServerService::GetServerInfo(
    grpc::CallbackServerContext* context, const v1::GetServerInfoRequest*,
    v1::GetServerInfoResponse* response) {
  auto* call = new UnaryCall(context, get_server_info_, parts_);
  *response = info_;
  call->Finish(absl::OkStatus());
  return call->reactor();
}

}  // namespace adv
