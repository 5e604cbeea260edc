#include "server/wire/server_service.h"

#include <utility>

namespace adv {

ServerService::ServerService(const Parts& parts, v1::GetServerInfoResponse info)
    : parts_(parts),
      info_(std::move(info)),
      get_server_info_(parts.metrics.Rpc(v1::ServerService::service_full_name(),
                                         "GetServerInfo")) {}

grpc::ServerUnaryReactor* ServerService::GetServerInfo(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Receive({context, request, response, get_server_info_, parts_}, this,
                 &ServerService::Answer);
}

void ServerService::Answer(UnaryCall* call, const v1::GetServerInfoRequest&,
                           v1::GetServerInfoResponse* response) {
  // The answer is made once, at the start, since none of it changes.
  *response = info_;
  call->Finish(absl::OkStatus());
}

}  // namespace adv
