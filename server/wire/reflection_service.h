#ifndef ADV_SERVER_WIRE_REFLECTION_SERVICE_H_
#define ADV_SERVER_WIRE_REFLECTION_SERVICE_H_

#include "grpc/reflection/v1/reflection.grpc.pb.h"
#include "grpc/reflection/v1alpha/reflection.grpc.pb.h"
#include "server/parts.h"
#include "server/wire/call.h"

namespace adv {

// The answer to one question about the services of Rules().
grpc::reflection::v1::ServerReflectionResponse Reflect(
    const grpc::reflection::v1::ServerReflectionRequest& request);

// gRPC's own reflection answers everybody. This one asks the gate, as all
// services here do. Both versions have the same messages.
template <typename Protocol>
class ReflectionService final
    : public Protocol::template WithRawCallbackMethod_ServerReflectionInfo<
          typename Protocol::Service> {
 public:
  // `parts` must outlive it.
  explicit ReflectionService(const Parts& parts)
      : parts_(parts),
        metrics_(parts.metrics.Rpc(Protocol::service_full_name(),
                                   "ServerReflectionInfo")) {}

  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>*
  ServerReflectionInfo(grpc::CallbackServerContext* context) override;

 private:
  const Parts& parts_;
  RpcMetrics& metrics_;
};

using ReflectionV1 = ReflectionService<grpc::reflection::v1::ServerReflection>;
using ReflectionV1Alpha =
    ReflectionService<grpc::reflection::v1alpha::ServerReflection>;

}  // namespace adv

#endif  // ADV_SERVER_WIRE_REFLECTION_SERVICE_H_
