#ifndef ADV_SERVER_WIRE_SERVER_SERVICE_H_
#define ADV_SERVER_WIRE_SERVER_SERVICE_H_

#include "adv/v1/server_service.grpc.pb.h"
#include "server/parts.h"
#include "server/wire/call.h"

namespace adv {

class ServerService final
    : public RawMethods<
          v1::ServerService::Service,
          v1::ServerService::WithRawCallbackMethod_GetServerInfo> {
 public:
  // It always answers `info`. `parts` must outlive it.
  ServerService(const Parts& parts, v1::GetServerInfoResponse info);

  grpc::ServerUnaryReactor* GetServerInfo(grpc::CallbackServerContext* context,
                                          const grpc::ByteBuffer* request,
                                          grpc::ByteBuffer* response) override;

 private:
  void Answer(UnaryCall* call, const v1::GetServerInfoRequest& request,
              v1::GetServerInfoResponse* response);

  const Parts& parts_;
  const v1::GetServerInfoResponse info_;
  RpcMetrics& get_server_info_;
};

}  // namespace adv

#endif  // ADV_SERVER_WIRE_SERVER_SERVICE_H_
