#include "server/wire/evaluation_stream.h"

#include <absl/strings/str_cat.h>

#include <string>
#include <utility>
#include <variant>

#include "server/compute/cost.h"
#include "server/compute/exceptions.h"
#include "server/wire/errors.h"
#include "server/wire/explain.h"
#include "server/wire/resolve_evaluation.h"

namespace adv {

EvaluationStream::EvaluationStream(grpc::CallbackServerContext* context,
                                   const Parts& parts, RpcMetrics& metrics)
    : parts_(parts), frame_(context, metrics, parts) {}

absl::Status EvaluationStream::Read(const grpc::ByteBuffer* request) {
  absl::Status status = frame_.Receive(request, &request_);
  if (status.ok()) frame_.SetAttack(DescribeAttack(request_.spec()));
  return status;
}

void EvaluationStream::Open() {
  // Events may arrive as soon as Start has subscribed. They wait in the members
  // until `opened_` is set.
  absl::StatusOr<StartedEvaluation> started;
  const absl::Status status = CatchExceptions([&] {
    started = Start();
    return started.status();
  });
  {
    const MutexLock lock(mutex_);
    opened_ = true;
    if (!status.ok()) {
      end_ = status;
    } else {
      subscription_ = std::move(started->subscription);
      v1::Evaluation& evaluation = started->evaluation;
      id_ = evaluation.id();
      AuditedAttack attack = DescribeAttack(evaluation.resolved().spec());
      attack.images = static_cast<int64_t>(evaluation.resolved().samples());
      attack.evaluation_id = evaluation.id();
      frame_.SetAttack(std::move(attack));
      frame_.AuditNow();
      // Without a subscription the evaluation had ended before, and its end is
      // known already.
      if (subscription_ == nullptr) TakeEnd({evaluation, absl::OkStatus()});
      parts_.log.Info("evaluation",
                      {{"evaluation_id", evaluation.id()},
                       {"model", evaluation.resolved().spec().model()},
                       {"request_id", frame_.request_id()},
                       {"trace_id", frame_.trace_id()}});
      // The report comes last, as a message of its own.
      evaluation.clear_report();
      *evaluation_.emplace().mutable_evaluation() = std::move(evaluation);
    }
  }
  Proceed();
}

void EvaluationStream::Refuse(const absl::Status& status) {
  {
    const MutexLock lock(mutex_);
    opened_ = true;
    end_ = status;
  }
  Proceed();
}

absl::StatusOr<StartedEvaluation> EvaluationStream::Start() {
  // The call waited for the worker. If its caller has left meanwhile, no
  // evaluation must start for it.
  if (frame_.cancel().cancelled()) return frame_.Cancelled();
  absl::StatusOr<ResolvedEvaluation> resolved = ResolveEvaluation(
      request_.spec(), parts_.models, parts_.datasets, parts_.limits);
  if (!resolved.ok()) return resolved.status();
  const std::string& expected = request_.expected_id();
  const std::string id = EvaluationId(resolved->resolved);
  if (!expected.empty() && id != expected) {
    return Error(
        Reason::kEvaluationChanged,
        absl::StrCat("here the specification is evaluation ", id, ", not ",
                     expected,
                     ": a model, the data set or the server has changed"));
  }
  if (absl::Status status = UseQuota(*resolved); !status.ok()) return status;
  resolved->identity = frame_.executor_identity();
  auto started = parts_.evaluations.Start(
      *std::move(resolved),
      [this](const EvaluationEvent& event) { OnEvent(event); },
      request_.cancel_on_disconnect() ? WhenLeft::kIsCancelled
                                      : WhenLeft::kGoesOn);
  if (!started.ok()) {
    return ExplainEvaluation(started.status(),
                             parts_.evaluations.stats().running >=
                                 parts_.limits.concurrent_evaluations,
                             parts_.draining);
  }
  return started;
}

absl::Status EvaluationStream::UseQuota(
    const ResolvedEvaluation& evaluation) const {
  const std::string id = EvaluationId(evaluation.resolved);
  const auto runs = [this](const std::string& other) {
    const auto known = parts_.evaluations.Get(other);
    return known.ok() && (known->state() == v1::EVALUATION_STATE_QUEUED ||
                          known->state() == v1::EVALUATION_STATE_RUNNING);
  };
  const auto known = parts_.evaluations.Get(id);
  // Who joins one that runs, or asks for the report again, uses nothing.
  if (runs(id) ||
      (known.ok() && known->state() == v1::EVALUATION_STATE_SUCCEEDED)) {
    return absl::OkStatus();
  }
  Quotas& quotas = parts_.gate.quotas();
  // Streams are opened on one thread, so the evaluation runs before the next
  // one is counted.
  absl::Status status = quotas.AddEvaluation(frame_.caller(), id, runs);
  if (!status.ok()) return status;
  const int64_t classes = evaluation.model->network->traits().classes;
  const auto images = static_cast<int64_t>(
      evaluation.indices.size() - (known.ok() ? known->samples_done() : 0));
  return frame_.Charge(images * EvaluationCost(evaluation.plan, classes));
}

void EvaluationStream::OnEvent(const EvaluationEvent& event) {
  {
    const MutexLock lock(mutex_);
    if (const auto* progress = std::get_if<v1::EvaluationProgress>(&event)) {
      // Replaces progress that is not written yet.
      *progress_.emplace().mutable_progress() = *progress;
    } else {
      TakeEnd(std::get<EvaluationEnd>(event));
    }
  }
  Proceed();
}

void EvaluationStream::TakeEnd(const EvaluationEnd& end) {
  const v1::Evaluation& evaluation = end.evaluation;
  evaluation_ended_ = true;
  if (end_) return;  // the call was cancelled meanwhile
  if (evaluation.state() == v1::EVALUATION_STATE_SUCCEEDED) {
    *report_.emplace().mutable_report() = evaluation.report();
    end_ = absl::OkStatus();
  } else if (evaluation.state() == v1::EVALUATION_STATE_FAILED) {
    end_ = FailedEvaluation(end.outcome, evaluation.id());
  } else {
    end_ = Error(
        // A drain ends evaluations as cancelled, too. UNAVAILABLE tells their
        // callers to ask again.
        parts_.draining ? Reason::kDraining : Reason::kEvaluationCancelled,
        evaluation.error(), {{"evaluation_id", evaluation.id()}});
  }
}

void EvaluationStream::OnWriteDone(bool ok) {
  {
    const MutexLock lock(mutex_);
    writing_ = false;
    // A failed write means that the reader is gone.
    if (!ok && !end_) end_ = frame_.Cancelled();
  }
  Proceed();
}

void EvaluationStream::OnCancel() {
  frame_.cancel().Cancel();
  {
    const MutexLock lock(mutex_);
    // Nobody reads any more, so what is not written yet is dropped.
    evaluation_.reset();
    progress_.reset();
    report_.reset();
    end_ = frame_.Cancelled();
  }
  Proceed();
}

void EvaluationStream::Proceed() {
  std::optional<absl::Status> end;
  {
    const MutexLock lock(mutex_);
    // Events may come before Open is done; the evaluation must be the first
    // message. gRPC allows one write at a time.
    if (!opened_ || writing_ || finished_) return;
    std::optional<Response>* next = nullptr;
    for (auto* message : {&evaluation_, &progress_, &report_}) {
      if (next == nullptr && *message) next = message;
    }
    if (next != nullptr) {
      // A message that cannot be encoded ends the call with the reason.
      const absl::Status encoded = WriteMessage(**next, &current_);
      next->reset();
      writing_ = encoded.ok();
      if (!encoded.ok()) end_ = end = encoded;
      finished_ = !encoded.ok();
    } else if (end_) {
      finished_ = true;
      end = end_;
    } else {
      return;
    }
  }
  // These calls come without the lock: gRPC may call OnDone before they return,
  // and that deletes the stream.
  if (end) {
    Finish(frame_.End(*end));
  } else {
    StartWrite(&current_);
  }
}

void EvaluationStream::OnDone() {
  // Without the lock: this waits for an event that is being delivered, and
  // OnEvent takes the lock.
  subscription_.reset();
  bool cancel = false;
  std::string id;
  {
    const MutexLock lock(mutex_);
    cancel = request_.cancel_on_disconnect() && !evaluation_ended_;
    id = id_;
  }
  if (cancel && !id.empty()) {
    EvaluationRunner& evaluations = parts_.evaluations;
    // Cancelling writes to the store, so the worker does it. If its queue is
    // full, the evaluation goes on as if it had not been asked to end.
    parts_.storage.Run([&evaluations, id] { evaluations.CancelIfLeft(id); });
  }
  delete this;
}

}  // namespace adv
