#include "server/wire/attack_evaluation_service.h"

#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "server/codec/codec_requests.h"
#include "server/compute/adversarial.h"
#include "server/compute/cost.h"
#include "server/compute/exceptions.h"
#include "server/wire/errors.h"
#include "server/wire/evaluation_stream.h"
#include "server/wire/explain.h"
#include "server/wire/model_work.h"

namespace adv {
namespace {

int64_t SumOfGradients(const std::vector<AttackRecord>& records) {
  int64_t sum = 0;
  for (const AttackRecord& record : records) sum += record.gradients;
  return sum;
}

RpcMetrics& AttackEvaluationMethod(const Parts& parts, const char* name) {
  return parts.metrics.Rpc(v1::AttackEvaluationService::service_full_name(),
                           name);
}

}  // namespace

AttackEvaluationService::AttackEvaluationService(const Parts& parts)
    : parts_(parts),
      classify_(AttackEvaluationMethod(parts, "Classify")),
      generate_adversarial_(
          AttackEvaluationMethod(parts, "GenerateAdversarial")),
      evaluate_robustness_(AttackEvaluationMethod(parts, "EvaluateRobustness")),
      get_evaluation_(AttackEvaluationMethod(parts, "GetEvaluation")),
      list_evaluations_(AttackEvaluationMethod(parts, "ListEvaluations")),
      cancel_evaluation_(AttackEvaluationMethod(parts, "CancelEvaluation")),
      delete_evaluation_(AttackEvaluationMethod(parts, "DeleteEvaluation")),
      list_evaluation_records_(
          AttackEvaluationMethod(parts, "ListEvaluationRecords")) {}

void AttackEvaluationService::OnStorage(UnaryCall* call,
                                        std::function<absl::Status()> work) {
  const bool accepted = parts_.storage.Run(
      // A worker's exception would end the process; caught, it ends this call
      // alone.
      [call, work = std::move(work)] { call->Finish(CatchExceptions(work)); });
  if (!accepted) call->Finish(TooManyCalls("the disk"));
}

grpc::ServerUnaryReactor* AttackEvaluationService::Classify(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Receive({context, request, response, classify_, parts_}, this,
                 &AttackEvaluationService::OnClassify);
}

grpc::ServerUnaryReactor* AttackEvaluationService::GenerateAdversarial(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Receive({context, request, response, generate_adversarial_, parts_},
                 this, &AttackEvaluationService::OnGenerateAdversarial);
}

grpc::ServerUnaryReactor* AttackEvaluationService::GetEvaluation(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Receive({context, request, response, get_evaluation_, parts_}, this,
                 &AttackEvaluationService::OnGetEvaluation);
}

grpc::ServerUnaryReactor* AttackEvaluationService::ListEvaluations(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Receive({context, request, response, list_evaluations_, parts_}, this,
                 &AttackEvaluationService::OnListEvaluations);
}

grpc::ServerUnaryReactor* AttackEvaluationService::CancelEvaluation(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Receive({context, request, response, cancel_evaluation_, parts_}, this,
                 &AttackEvaluationService::OnCancelEvaluation);
}

grpc::ServerUnaryReactor* AttackEvaluationService::DeleteEvaluation(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Receive({context, request, response, delete_evaluation_, parts_}, this,
                 &AttackEvaluationService::OnDeleteEvaluation);
}

grpc::ServerUnaryReactor* AttackEvaluationService::ListEvaluationRecords(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
    grpc::ByteBuffer* response) {
  return Receive({context, request, response, list_evaluation_records_, parts_},
                 this, &AttackEvaluationService::OnListEvaluationRecords);
}

void AttackEvaluationService::OnClassify(UnaryCall* call,
                                         const v1::ClassifyRequest& request,
                                         v1::ClassifyResponse* response) {
  BorrowModels(
      parts_, call, request.model(), request.model(),
      // Request and response belong to the call and live until Finish, so the
      // work may refer to them from other threads.
      [this, call, &request, response](ModelPtr model, const ModelPtr&) {
        const auto& shape = request.images().shape();
        if (absl::Status status = OfferClassify(parts_, *call, *model,
                                                shape.empty() ? 0 : shape[0]);
            !status.ok()) {
          return status;
        }
        absl::StatusOr<ClassifyTask> task =
            DecodeClassify(request, std::move(model), parts_.limits);
        if (!task.ok()) return task.status();
        // What is needed after the task has moved into the job is read before.
        const int64_t images = task->images.size(0);
        JobOptions options = MakeJobOptions(
            "classify", *task->model, images * kClassifyCost, task->images);
        const Lane lane = options.lane;
        Executor& executor = parts_.ExecutorFor(*task->model, *task->model);
        return Compute(call, executor, std::move(options),
                       [this, response, images, lane, task = *std::move(task)](
                           const BeforePass& before_pass) {
                         const absl::StatusOr<at::Tensor> logits =
                             ComputeLogits(task.model->NetworkFor(lane),
                                           task.images, before_pass);
                         if (!logits.ok()) return logits.status();
                         EncodeClassify(task, *logits, response);
                         parts_.metrics.CountClassified(
                             task.model->manifest.name(), images);
                         return absl::OkStatus();
                       });
      });
}

void AttackEvaluationService::OnGenerateAdversarial(
    UnaryCall* call, const v1::GenerateAdversarialRequest& request,
    v1::GenerateAdversarialResponse* response) {
  call->frame().SetAttack(DescribeAttack(request));
  BorrowModels(
      parts_, call, request.model(),
      request.has_source_model() ? request.source_model() : request.model(),
      [this, call, &request, response](ModelPtr model, ModelPtr source) {
        // Null stands for images of the caller's own.
        absl::StatusOr<std::shared_ptr<const Dataset>> dataset = nullptr;
        if (request.has_dataset_images()) {
          const std::string& name = request.dataset_images().dataset();
          dataset = parts_.datasets.Find(name.empty() ? kBuiltInDataset : name);
          if (!dataset.ok()) return ExplainDataset(dataset.status(), name);
        }
        absl::StatusOr<AdversarialTask> task =
            DecodeGenerate(request, std::move(model), std::move(source),
                           *dataset, parts_.limits);
        if (!task.ok()) return task.status();
        // The cost decides the lane, so that a long attack cannot hold up
        // Classify.
        const int64_t cost = task->images.size(0) *
                             AttackCost(task->attack, task->options.epsilons,
                                        task->model->network->traits().classes);
        JobOptions options =
            MakeJobOptions("generate", *task->model, cost, task->images);
        // The task carries its lane to the network, whose queue serves
        // interactive passes first.
        task->lane = options.lane;
        Executor& executor =
            parts_.ExecutorFor(*task->model, *task->source_model);
        // All workers that are idle help, so that nobody else waits longer for
        // it.
        const auto parts = std::make_shared<AdversarialParts>(
            *std::move(task), executor.IdleWorkers());
        std::vector<Executor::Job> jobs;
        for (size_t i = 0; i < parts->size(); ++i) {
          jobs.emplace_back([this, &request, response, parts,
                             i](const BeforePass& before_pass) {
            return Generate(*parts, i, before_pass, request, response);
          });
        }
        return ComputeParts(call, executor, std::move(options),
                            std::move(jobs));
      });
}

absl::Status AttackEvaluationService::Generate(
    AdversarialParts& parts, size_t part, const BeforePass& before_pass,
    const v1::GenerateAdversarialRequest& request,
    v1::GenerateAdversarialResponse* response) {
  const absl::StatusOr<std::optional<AdversarialImages>> images =
      parts.Compute(part, before_pass);
  if (!images.ok()) return images.status();
  // The part that ends last answers for all.
  if (!images->has_value()) return absl::OkStatus();
  const AdversarialTask& task = parts.task();
  EncodeGenerate(request, task, **images, response);
  parts_.metrics.CountAttacked(task.model->manifest.name(),
                               AttackName(task.attack), task.images.size(0),
                               SumOfGradients((*images)->records));
  return absl::OkStatus();
}

grpc::ServerWriteReactor<grpc::ByteBuffer>*
AttackEvaluationService::EvaluateRobustness(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request) {
  // The stream deletes itself when gRPC is done with it.
  auto* stream = new EvaluationStream(context, parts_, evaluate_robustness_);
  // gRPC's thread only reads the request. Open may wait for disks, so the
  // storage worker runs it.
  const absl::Status status = stream->Read(request);
  if (!status.ok()) {
    stream->Refuse(status);
  } else if (!parts_.storage.Run([stream] { stream->Open(); })) {
    stream->Refuse(TooManyCalls("the disk"));
  }
  return stream;
}

void AttackEvaluationService::OnGetEvaluation(
    UnaryCall* call, const v1::GetEvaluationRequest& request,
    v1::GetEvaluationResponse* response) {
  OnStorage(call, [this, &request, response] {
    auto evaluation = parts_.evaluations.Get(request.id());
    if (!evaluation.ok()) {
      return ExplainEvaluationId(evaluation.status(), request.id());
    }
    *response->mutable_evaluation() = *std::move(evaluation);
    return absl::OkStatus();
  });
}

void AttackEvaluationService::OnListEvaluations(
    UnaryCall* call, const v1::ListEvaluationsRequest& request,
    v1::ListEvaluationsResponse* response) {
  OnStorage(call, [this, &request, response] {
    const absl::StatusOr<int64_t> size = DecodePageSize(request);
    if (!size.ok()) return size.status();
    auto page =
        parts_.evaluations.List(*size, request.page_token(), request.model());
    if (!page.ok()) return ExplainPageToken(page.status());
    for (v1::Evaluation& evaluation : page->evaluations) {
      *response->add_evaluations() = std::move(evaluation);
    }
    response->set_next_page_token(page->next_page_token);
    return absl::OkStatus();
  });
}

void AttackEvaluationService::OnCancelEvaluation(
    UnaryCall* call, const v1::CancelEvaluationRequest& request,
    v1::CancelEvaluationResponse* response) {
  OnStorage(call, [this, &request, response] {
    auto evaluation = parts_.evaluations.Cancel(request.id());
    if (!evaluation.ok()) {
      return ExplainEvaluationId(evaluation.status(), request.id());
    }
    *response->mutable_evaluation() = *std::move(evaluation);
    return absl::OkStatus();
  });
}

void AttackEvaluationService::OnDeleteEvaluation(
    UnaryCall* call, const v1::DeleteEvaluationRequest& request,
    v1::DeleteEvaluationResponse* response) {
  OnStorage(call, [this, &request] {
    return ExplainEvaluationId(parts_.evaluations.Delete(request.id()),
                               request.id());
  });
}

void AttackEvaluationService::OnListEvaluationRecords(
    UnaryCall* call, const v1::ListEvaluationRecordsRequest& request,
    v1::ListEvaluationRecordsResponse* response) {
  OnStorage(call, [this, &request, response] {
    const absl::StatusOr<int64_t> size = DecodePageSize(request);
    if (!size.ok()) return size.status();
    // The id is resolved first, so that its errors are not taken for errors of
    // the page token.
    const auto id = parts_.store.ResolveId(request.id());
    if (!id.ok()) return ExplainEvaluationId(id.status(), request.id());
    auto page = parts_.evaluations.Records(*id, *size, request.page_token());
    if (!page.ok()) return ExplainPageToken(page.status());
    for (v1::EvaluationRecord& record : page->records) {
      *response->add_records() = std::move(record);
    }
    response->set_next_page_token(page->next_page_token);
    return absl::OkStatus();
  });
}

}  // namespace adv
