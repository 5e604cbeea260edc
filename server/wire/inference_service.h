#ifndef ADV_SERVER_WIRE_INFERENCE_SERVICE_H_
#define ADV_SERVER_WIRE_INFERENCE_SERVICE_H_

#include "inference/open_inference.grpc.pb.h"
#include "server/parts.h"
#include "server/wire/call.h"

namespace adv {

// The Open Inference Protocol: it serves the models to any client of that
// protocol, another server among them. ModelInfer is Classify in other words,
// with the same limits, queues and errors.
class InferenceService final
    : public RawMethods<
          inference::GRPCInferenceService::Service,
          inference::GRPCInferenceService::WithRawCallbackMethod_ServerLive,
          inference::GRPCInferenceService::WithRawCallbackMethod_ServerReady,
          inference::GRPCInferenceService::WithRawCallbackMethod_ModelReady,
          inference::GRPCInferenceService::WithRawCallbackMethod_ServerMetadata,
          inference::GRPCInferenceService::WithRawCallbackMethod_ModelMetadata,
          inference::GRPCInferenceService::WithRawCallbackMethod_ModelInfer> {
 public:
  // `parts` must outlive it.
  explicit InferenceService(const Parts& parts);

  grpc::ServerUnaryReactor* ServerLive(grpc::CallbackServerContext* context,
                                       const grpc::ByteBuffer* request,
                                       grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* ServerReady(grpc::CallbackServerContext* context,
                                        const grpc::ByteBuffer* request,
                                        grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* ModelReady(grpc::CallbackServerContext* context,
                                       const grpc::ByteBuffer* request,
                                       grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* ServerMetadata(grpc::CallbackServerContext* context,
                                           const grpc::ByteBuffer* request,
                                           grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* ModelMetadata(grpc::CallbackServerContext* context,
                                          const grpc::ByteBuffer* request,
                                          grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* ModelInfer(grpc::CallbackServerContext* context,
                                       const grpc::ByteBuffer* request,
                                       grpc::ByteBuffer* response) override;

 private:
  void OnServerLive(UnaryCall* call,
                    const inference::ServerLiveRequest& request,
                    inference::ServerLiveResponse* response);
  void OnServerReady(UnaryCall* call,
                     const inference::ServerReadyRequest& request,
                     inference::ServerReadyResponse* response);
  void OnModelReady(UnaryCall* call,
                    const inference::ModelReadyRequest& request,
                    inference::ModelReadyResponse* response);
  void OnServerMetadata(UnaryCall* call,
                        const inference::ServerMetadataRequest& request,
                        inference::ServerMetadataResponse* response);
  void OnModelMetadata(UnaryCall* call,
                       const inference::ModelMetadataRequest& request,
                       inference::ModelMetadataResponse* response);
  void OnModelInfer(UnaryCall* call,
                    const inference::ModelInferRequest& request,
                    inference::ModelInferResponse* response);

  const Parts& parts_;
  RpcMetrics& server_live_;
  RpcMetrics& server_ready_;
  RpcMetrics& model_ready_;
  RpcMetrics& server_metadata_;
  RpcMetrics& model_metadata_;
  RpcMetrics& model_infer_;
};

}  // namespace adv

#endif  // ADV_SERVER_WIRE_INFERENCE_SERVICE_H_
