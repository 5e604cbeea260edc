#include "server/wire/explain.h"

#include <absl/strings/str_cat.h>

#include <chrono>

#include "server/wire/errors.h"

namespace adv {
namespace {

constexpr absl::Duration kDiskRetry = absl::Seconds(1);
constexpr absl::Duration kEvaluationRetry = absl::Seconds(10);
constexpr absl::Duration kEndingRetry = absl::Seconds(1);

absl::string_view Message(const absl::Status& status) {
  return status.message();
}

// The tiles that run are over within a pass or so.
absl::Status Ending(const absl::Status& status) {
  return Overloaded(Reason::kEvaluationEnding, Message(status), kEndingRetry);
}

// How the database is reached is nobody's business but the server's.
absl::Status Away() {
  return Overloaded(Reason::kStorageUnavailable,
                    "the database of the evaluations cannot be reached",
                    kDiskRetry);
}

// INVALID_ARGUMENT for one field, in the form that all faults of requests have.
absl::Status Invalid(absl::string_view field, const absl::Status& status) {
  FieldViolations violations;
  violations.Add(field, Message(status));
  return violations.status();
}

// Whether the status passes unchanged: it is OK, or has a reason already.
bool IsFinal(const absl::Status& status) {
  return status.ok() || !ReasonName(status).empty();
}

}  // namespace

absl::Status ExplainModel(const absl::Status& status, absl::string_view model,
                          absl::string_view field) {
  if (IsFinal(status)) return status;
  switch (status.code()) {
    case absl::StatusCode::kNotFound:
      return NotFound(Reason::kModelNotFound, "adv.v1.Model", model,
                      Message(status));
    case absl::StatusCode::kInvalidArgument:
      return Invalid(field, status);
    case absl::StatusCode::kFailedPrecondition:
      return Error(Reason::kModelNotLoaded, Message(status));
    default:
      return status;
  }
}

absl::Status ExplainDataset(const absl::Status& status,
                            absl::string_view dataset) {
  if (IsFinal(status) || status.code() != absl::StatusCode::kNotFound) {
    return status;
  }
  return NotFound(Reason::kDatasetNotFound, "adv.v1.DatasetInfo", dataset,
                  Message(status));
}

absl::Status ExplainJob(const absl::Status& status, const Executor& executor,
                        Lane lane) {
  if (IsFinal(status)) return status;
  switch (status.code()) {
    case absl::StatusCode::kResourceExhausted:
      return Overloaded(Reason::kQueueFull, Message(status),
                        absl::FromChrono(executor.RetryAfter(lane)));
    case absl::StatusCode::kDeadlineExceeded:
      // Submit refuses before any work. A deadline that passes later goes to
      // the job's `done` instead.
      return Overloaded(Reason::kDeadlineTooShort, Message(status),
                        absl::FromChrono(executor.RetryAfter(lane)));
    case absl::StatusCode::kInvalidArgument:
      // The job is larger than its lane will ever hold, and fewer images make
      // it smaller.
      return Invalid("images", status);
    default:
      return status;
  }
}

absl::Status ExplainEvaluation(const absl::Status& status, bool full,
                               bool draining) {
  if (IsFinal(status)) return status;
  switch (status.code()) {
    case absl::StatusCode::kResourceExhausted:
      // Both cases come as RESOURCE_EXHAUSTED; only the first one passes by
      // waiting.
      return full ? Overloaded(Reason::kTooManyEvaluations, Message(status),
                               kEvaluationRetry)
                  : Error(Reason::kStorageFull, Message(status));
    case absl::StatusCode::kAborted:
      return Ending(status);
    case absl::StatusCode::kUnavailable:
      return draining ? status : Away();
    default:
      return status;
  }
}

absl::Status FailedEvaluation(const absl::Status& outcome,
                              absl::string_view id) {
  Reason reason = Reason::kEvaluationFailed;
  std::string message(outcome.message());
  // OUT_OF_MEMORY is RESOURCE_EXHAUSTED, too, so reasons are asked before the
  // code.
  if (HasReason(outcome, Reason::kOutOfMemory)) {
    reason = Reason::kOutOfMemory;
  } else if (HasReason(outcome, Reason::kModelUnreachable)) {
    reason = Reason::kModelUnreachable;
    absl::StrAppend(&message,
                    "; the evaluation has failed; it resumes where it stopped "
                    "when it is asked for again");
  } else if (absl::IsResourceExhausted(outcome)) {
    reason = Reason::kStorageFull;
    absl::StrAppend(&message,
                    "; the evaluation has failed; it resumes once there is "
                    "room and it is asked for again");
  }
  return Error(reason, message, {{"evaluation_id", std::string(id)}});
}

absl::Status ExplainEvaluationId(const absl::Status& status,
                                 absl::string_view id) {
  if (IsFinal(status)) return status;
  switch (status.code()) {
    case absl::StatusCode::kNotFound:
      return NotFound(Reason::kEvaluationNotFound, "adv.v1.Evaluation", id,
                      Message(status));
    case absl::StatusCode::kInvalidArgument:
      return Invalid("id", status);
    case absl::StatusCode::kFailedPrecondition:
      return Error(Reason::kEvaluationRunning, Message(status));
    case absl::StatusCode::kAborted:
      return Ending(status);
    case absl::StatusCode::kResourceExhausted:
      return Error(Reason::kStorageFull, Message(status));
    case absl::StatusCode::kUnavailable:
      return Away();
    default:
      return status;
  }
}

absl::Status ExplainPageToken(const absl::Status& status) {
  if (absl::IsUnavailable(status) && !IsFinal(status)) return Away();
  if (IsFinal(status) || status.code() != absl::StatusCode::kInvalidArgument) {
    return status;
  }
  return Invalid("page_token", status);
}

absl::Status TooManyCalls(absl::string_view what) {
  return Overloaded(Reason::kQueueFull,
                    absl::StrCat("too many calls wait for ", what), kDiskRetry);
}

}  // namespace adv
