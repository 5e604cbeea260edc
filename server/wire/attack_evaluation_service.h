#ifndef ADV_SERVER_WIRE_ATTACK_EVALUATION_SERVICE_H_
#define ADV_SERVER_WIRE_ATTACK_EVALUATION_SERVICE_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "adv/v1/attack_evaluation_service.grpc.pb.h"
#include "server/compute/adversarial_parts.h"
#include "server/compute/executor.h"
#include "server/parts.h"
#include "server/wire/call.h"

namespace adv {

// Handlers decode and hand over: computation goes to the executor, waits for a
// disk go to a worker. The call is finished where the work ends.
class AttackEvaluationService final
    : public RawMethods<
          v1::AttackEvaluationService::Service,
          v1::AttackEvaluationService::WithRawCallbackMethod_Classify,
          v1::AttackEvaluationService::
              WithRawCallbackMethod_GenerateAdversarial,
          v1::AttackEvaluationService::WithRawCallbackMethod_EvaluateRobustness,
          v1::AttackEvaluationService::WithRawCallbackMethod_GetEvaluation,
          v1::AttackEvaluationService::WithRawCallbackMethod_ListEvaluations,
          v1::AttackEvaluationService::WithRawCallbackMethod_CancelEvaluation,
          v1::AttackEvaluationService::WithRawCallbackMethod_DeleteEvaluation,
          v1::AttackEvaluationService::
              WithRawCallbackMethod_ListEvaluationRecords> {
 public:
  // `parts` must outlive it.
  explicit AttackEvaluationService(const Parts& parts);

  grpc::ServerUnaryReactor* Classify(grpc::CallbackServerContext* context,
                                     const grpc::ByteBuffer* request,
                                     grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* GenerateAdversarial(
      grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
      grpc::ByteBuffer* response) override;
  grpc::ServerWriteReactor<grpc::ByteBuffer>* EvaluateRobustness(
      grpc::CallbackServerContext* context,
      const grpc::ByteBuffer* request) override;
  grpc::ServerUnaryReactor* GetEvaluation(grpc::CallbackServerContext* context,
                                          const grpc::ByteBuffer* request,
                                          grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* ListEvaluations(
      grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
      grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* CancelEvaluation(
      grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
      grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* DeleteEvaluation(
      grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
      grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* ListEvaluationRecords(
      grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
      grpc::ByteBuffer* response) override;

 private:
  void OnClassify(UnaryCall* call, const v1::ClassifyRequest& request,
                  v1::ClassifyResponse* response);
  void OnGenerateAdversarial(UnaryCall* call,
                             const v1::GenerateAdversarialRequest& request,
                             v1::GenerateAdversarialResponse* response);
  // Computes a part of GenerateAdversarial. The one that ends last writes the
  // response.
  absl::Status Generate(AdversarialParts& parts, size_t part,
                        const BeforePass& before_pass,
                        const v1::GenerateAdversarialRequest& request,
                        v1::GenerateAdversarialResponse* response);
  void OnGetEvaluation(UnaryCall* call, const v1::GetEvaluationRequest& request,
                       v1::GetEvaluationResponse* response);
  void OnListEvaluations(UnaryCall* call,
                         const v1::ListEvaluationsRequest& request,
                         v1::ListEvaluationsResponse* response);
  void OnCancelEvaluation(UnaryCall* call,
                          const v1::CancelEvaluationRequest& request,
                          v1::CancelEvaluationResponse* response);
  void OnDeleteEvaluation(UnaryCall* call,
                          const v1::DeleteEvaluationRequest& request,
                          v1::DeleteEvaluationResponse* response);
  void OnListEvaluationRecords(UnaryCall* call,
                               const v1::ListEvaluationRecordsRequest& request,
                               v1::ListEvaluationRecordsResponse* response);

  // Runs `work` on the storage worker and finishes the call with its status.
  void OnStorage(UnaryCall* call, std::function<absl::Status()> work);

  const Parts& parts_;
  RpcMetrics& classify_;
  RpcMetrics& generate_adversarial_;
  RpcMetrics& evaluate_robustness_;
  RpcMetrics& get_evaluation_;
  RpcMetrics& list_evaluations_;
  RpcMetrics& cancel_evaluation_;
  RpcMetrics& delete_evaluation_;
  RpcMetrics& list_evaluation_records_;
};

}  // namespace adv

#endif  // ADV_SERVER_WIRE_ATTACK_EVALUATION_SERVICE_H_
