#include "server/wire/errors.h"

#include <absl/strings/cord.h>
#include <absl/strings/escaping.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <algorithm>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace adv {
namespace {

// gRPC peers accept 8 KiB of trailers by default. Base64 and percent encoding
// make the content larger. The violations are in there three times: in the
// message for people, in the details, and in the copy of the message in the
// details, where clients expect it.
constexpr size_t kMaxMessageBytes = 1200;
constexpr size_t kMaxViolationBytes = 2400;
constexpr size_t kMaxDescriptionBytes = 400;

// The pushback after which gRPC's clients do not repeat a call.
constexpr char kNeverAgain[] = "-1";

// The key under which absl::Status keeps a detail. It is the type_url that
// google.protobuf.Any wants, so ToGrpcStatus can copy it.
template <typename Detail>
std::string TypeUrl() {
  return absl::StrCat("type.googleapis.com/",
                      Detail::descriptor()->full_name());
}

template <typename Detail>
void Attach(const Detail& detail, absl::Status* status) {
  status->SetPayload(TypeUrl<Detail>(), absl::Cord(detail.SerializeAsString()));
}

// False if the status has no such detail.
template <typename Detail>
bool Find(const absl::Status& status, Detail* detail) {
  const auto payload = status.GetPayload(TypeUrl<Detail>());
  return payload && detail->ParseFromString(std::string(*payload));
}

const ReasonRow& Row(Reason reason) {
  return ErrorTable()[static_cast<size_t>(reason)];
}

// The reason for a status without one, which was made by the engine, the store
// or the executor. Any code that is not listed becomes INTERNAL.
Reason ReasonOfCode(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kInvalidArgument:
      return Reason::kInvalidRequest;
    case absl::StatusCode::kCancelled:
      return Reason::kCancelled;
    case absl::StatusCode::kDeadlineExceeded:
      return Reason::kDeadlineExceeded;
    case absl::StatusCode::kResourceExhausted:
      return Reason::kQueueFull;
    case absl::StatusCode::kUnavailable:
      return Reason::kDraining;
    default:
      return Reason::kInternal;
  }
}

// Cuts at a whole UTF-8 character: status texts are proto strings, which must
// be UTF-8.
std::string Cut(absl::string_view text, size_t size) {
  if (text.size() <= size) return std::string(text);
  // 10xxxxxx is a byte within a character: the cut moves back to its first
  // byte.
  while (size > 0 && (text[size] & 0xc0) == 0x80) --size;
  return absl::StrCat(text.substr(0, size), "...");
}

}  // namespace

const std::vector<ReasonRow>& ErrorTable() {
  using Code = absl::StatusCode;
  // In the order of the enum, because Row uses the reason as an index.
  static const auto& table = *new std::vector<ReasonRow>{
      {Reason::kInvalidRequest, "INVALID_REQUEST", Code::kInvalidArgument,
       "BadRequest lists every field that is wrong, with its allowed range"},
      {Reason::kModelNotFound, "MODEL_NOT_FOUND", Code::kNotFound,
       "no such model, version or alias; the message lists the known models "
       "or versions"},
      {Reason::kModelNotLoaded, "MODEL_NOT_LOADED", Code::kFailedPrecondition,
       "the model is there but could not be loaded; the message says why"},
      {Reason::kModelUnreachable, "MODEL_UNREACHABLE",
       absl::StatusCode::kFailedPrecondition,
       "the model's endpoint does not answer, or not as it should; an "
       "evaluation that runs then fails with it, and resumes where it stopped "
       "when it is asked for again"},
      {Reason::kDatasetNotFound, "DATASET_NOT_FOUND", Code::kNotFound,
       "no such data set; the message lists the known ones"},
      {Reason::kEvaluationNotFound, "EVALUATION_NOT_FOUND", Code::kNotFound,
       "no evaluation with this id"},
      {Reason::kEvaluationRunning, "EVALUATION_RUNNING",
       Code::kFailedPrecondition,
       "cancel the evaluation before it can be deleted"},
      {Reason::kEvaluationChanged, "EVALUATION_CHANGED",
       Code::kFailedPrecondition,
       "the specification is no longer the evaluation with the expected id: a "
       "model, the data set or the server has changed"},
      {Reason::kQueueFull, "QUEUE_FULL", Code::kResourceExhausted,
       "too much work waits; RetryInfo and grpc-retry-pushback-ms say when to "
       "try again"},
      {Reason::kTooManyEvaluations, "TOO_MANY_EVALUATIONS",
       Code::kResourceExhausted,
       "the limit of evaluations that wait or run is reached; RetryInfo as "
       "above"},
      {Reason::kStorageFull, "STORAGE_FULL", Code::kResourceExhausted,
       "the disk of the evaluation store is full, or --max-state-bytes is "
       "reached; an evaluation that runs then fails with it, and resumes once "
       "there is room"},
      {Reason::kStorageUnavailable, "STORAGE_UNAVAILABLE", Code::kUnavailable,
       "the database of the evaluations cannot be reached; evaluations wait "
       "for "
       "it, models answer; RetryInfo says when to try again"},
      {Reason::kOutOfMemory, "OUT_OF_MEMORY", Code::kResourceExhausted,
       "the server's or its device's memory does not hold this work; fewer "
       "images at once need less"},
      {Reason::kMessageTooLarge, "MESSAGE_TOO_LARGE", Code::kResourceExhausted,
       "a compressed request is larger than --max-message-bytes when inflated"},
      {Reason::kUnauthenticated, "UNAUTHENTICATED", Code::kUnauthenticated,
       "the server does not know who calls; the message says what is missing"},
      {Reason::kPermissionDenied, "PERMISSION_DENIED", Code::kPermissionDenied,
       "the caller's role may not call this method; the message names both"},
      {Reason::kQuotaExceeded, "QUOTA_EXCEEDED", Code::kResourceExhausted,
       "the caller has used up its quota; RetryInfo and "
       "grpc-retry-pushback-ms say when to try again"},
      {Reason::kDeadlineTooShort, "DEADLINE_TOO_SHORT", Code::kDeadlineExceeded,
       "refused at once, or when its turn comes: the queue and the work would "
       "take longer than the deadline; RetryInfo as above"},
      {Reason::kDeadlineExceeded, "DEADLINE_EXCEEDED", Code::kDeadlineExceeded,
       "the deadline passed during the work"},
      {Reason::kCancelled, "CANCELLED", Code::kCancelled, "the caller gave up"},
      {Reason::kEvaluationCancelled, "EVALUATION_CANCELLED", Code::kAborted,
       "someone cancelled the evaluation whose stream this was"},
      {Reason::kEvaluationEnding, "EVALUATION_ENDING", Code::kAborted,
       "the same evaluation is just being cancelled; ask again in a moment, "
       "RetryInfo says when"},
      {Reason::kEvaluationFailed, "EVALUATION_FAILED", Code::kInternal,
       "the evaluation whose stream this was failed; the message says why"},
      {Reason::kDraining, "DRAINING", Code::kUnavailable,
       "the server shuts down; try another"},
      {Reason::kInternal, "INTERNAL", Code::kInternal,
       "a fault of the server; its log has the request id"},
  };
  return table;
}

absl::Status Error(Reason reason, absl::string_view message,
                   const std::map<std::string, std::string>& metadata) {
  absl::Status status(Row(reason).code, message);
  google::rpc::ErrorInfo info;
  info.set_reason(Row(reason).name);
  info.set_domain(kErrorDomain);
  info.mutable_metadata()->insert(metadata.begin(), metadata.end());
  Attach(info, &status);
  return status;
}

absl::Status NotFound(Reason reason, absl::string_view type,
                      absl::string_view name, absl::string_view message) {
  absl::Status status = Error(reason, message);
  google::rpc::ResourceInfo info;
  info.set_resource_type(std::string(type));
  info.set_resource_name(Cut(name, kMaxDescriptionBytes));
  info.set_description(Cut(message, kMaxDescriptionBytes));
  Attach(info, &status);
  return status;
}

absl::Status Overloaded(Reason reason, absl::string_view message,
                        absl::Duration retry_after) {
  absl::Status status = Error(reason, message);
  google::rpc::RetryInfo info;
  const absl::Duration delay = std::max(retry_after, absl::ZeroDuration());
  // RetryInfo wants whole seconds and the rest in nanoseconds.
  absl::Duration rest;
  info.mutable_retry_delay()->set_seconds(
      absl::IDivDuration(delay, absl::Seconds(1), &rest));
  info.mutable_retry_delay()->set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(rest)));
  Attach(info, &status);
  return status;
}

std::string ReasonName(const absl::Status& status) {
  google::rpc::ErrorInfo info;
  return Find(status, &info) ? info.reason() : "";
}

bool HasReason(const absl::Status& status, Reason reason) {
  return ReasonName(status) == Row(reason).name;
}

std::string Quote(absl::string_view bytes) {
  constexpr size_t kMaxQuoted = 80;
  const bool cut = bytes.size() > kMaxQuoted;
  return absl::StrCat("\"", absl::CHexEscape(bytes.substr(0, kMaxQuoted)),
                      cut ? "...\"" : "\"");
}

void FieldViolations::Add(absl::string_view field,
                          absl::string_view description) {
  violations_.push_back(
      {std::string(field), Cut(description, kMaxDescriptionBytes)});
}

absl::Status FieldViolations::status() const {
  if (empty()) return absl::OkStatus();
  // The same violations twice: `lines` for people, `details` for programs.
  google::rpc::BadRequest details;
  std::vector<std::string> lines;
  size_t bytes = 0;
  for (const Violation& violation : violations_) {
    bytes += violation.field.size() + violation.description.size();
    // At least one violation is listed, however long it is.
    if (bytes > kMaxViolationBytes && !lines.empty()) break;
    lines.push_back(absl::StrCat(violation.field, ": ", violation.description));
    auto* entry = details.add_field_violations();
    entry->set_field(violation.field);
    entry->set_description(violation.description);
  }
  // The caller must learn that the list is not complete.
  if (const size_t more = violations_.size() - lines.size(); more > 0) {
    const std::string text = absl::StrCat("and ", more, " more violations");
    lines.push_back(text);
    details.add_field_violations()->set_description(text);
  }
  absl::Status status =
      Error(Reason::kInvalidRequest, absl::StrJoin(lines, "; "));
  Attach(details, &status);
  return status;
}

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  // Error gives the status a reason, so this calls itself only once. The code
  // may change to the one that the table has for that reason.
  if (ReasonName(status).empty()) {
    return ToGrpcStatus(Error(
        ReasonOfCode(status.code()),
        absl::string_view(status.message().data(), status.message().size())));
  }
  google::rpc::Status details;
  details.set_code(static_cast<int>(status.code()));
  details.set_message(Cut(status.message(), kMaxMessageBytes));
  status.ForEachPayload(
      [&](absl::string_view type_url, const absl::Cord& payload) {
        auto* detail = details.add_details();
        detail->set_type_url(std::string(type_url));
        detail->set_value(std::string(payload));
      });
  // The codes of absl and gRPC have the same numbers.
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()),
                      details.message(), details.SerializeAsString());
}

std::string RetryPushback(const absl::Status& status) {
  google::rpc::RetryInfo info;
  if (!Find(status, &info)) {
    return absl::IsResourceExhausted(status) ? kNeverAgain : "";
  }
  return absl::StrCat(info.retry_delay().seconds() * 1000 +
                      info.retry_delay().nanos() / 1'000'000);
}

}  // namespace adv
