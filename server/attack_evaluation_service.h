#ifndef ADV_SERVER_ATTACK_EVALUATION_SERVICE_H_
#define ADV_SERVER_ATTACK_EVALUATION_SERVICE_H_

#include <functional>
#include <memory>
#include <string>

#include "adv/v1/attack_evaluation_service.grpc.pb.h"
#include "server/call.h"
#include "server/parts.h"

namespace adv {

// Handlers decode and hand over: what computes goes to the executor, what
// waits for a disk to a worker; whoever ends the work finishes the call.
class AttackEvaluationService final
    : public v1::AttackEvaluationService::CallbackService {
 public:
  // `parts` must outlive it.
  explicit AttackEvaluationService(const Parts& parts);

  grpc::ServerUnaryReactor* Classify(grpc::CallbackServerContext* context,
                                     const v1::ClassifyRequest* request,
                                     v1::ClassifyResponse* response) override;
  grpc::ServerUnaryReactor* GenerateAdversarial(
      grpc::CallbackServerContext* context,
      const v1::GenerateAdversarialRequest* request,
      v1::GenerateAdversarialResponse* response) override;
  grpc::ServerWriteReactor<v1::EvaluateRobustnessResponse>* EvaluateRobustness(
      grpc::CallbackServerContext* context,
      const v1::EvaluateRobustnessRequest* request) override;
  grpc::ServerUnaryReactor* GetEvaluation(
      grpc::CallbackServerContext* context,
      const v1::GetEvaluationRequest* request,
      v1::GetEvaluationResponse* response) override;
  grpc::ServerUnaryReactor* ListEvaluations(
      grpc::CallbackServerContext* context,
      const v1::ListEvaluationsRequest* request,
      v1::ListEvaluationsResponse* response) override;
  grpc::ServerUnaryReactor* CancelEvaluation(
      grpc::CallbackServerContext* context,
      const v1::CancelEvaluationRequest* request,
      v1::CancelEvaluationResponse* response) override;
  grpc::ServerUnaryReactor* DeleteEvaluation(
      grpc::CallbackServerContext* context,
      const v1::DeleteEvaluationRequest* request,
      v1::DeleteEvaluationResponse* response) override;
  grpc::ServerUnaryReactor* ListEvaluationRecords(
      grpc::CallbackServerContext* context,
      const v1::ListEvaluationRecordsRequest* request,
      v1::ListEvaluationRecordsResponse* response) override;

 private:
  using ModelPtr = std::shared_ptr<const ServedModel>;
  // OK: the call will be finished. Otherwise with that status, by the caller.
  using WithModels = std::function<absl::Status(ModelPtr, ModelPtr)>;

  // Calls `next` with both models: at once if they are in memory, otherwise
  // on the loader, where few may wait, because each holds its images.
  void Borrow(UnaryCall* call, const std::string& model,
              const std::string& source_model, WithModels next);
  // The call is finished when the job is.
  absl::Status Compute(UnaryCall* call, JobOptions options, Executor::Job job);
  // Finishes the call with what `work` returns.
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

#endif  // ADV_SERVER_ATTACK_EVALUATION_SERVICE_H_
