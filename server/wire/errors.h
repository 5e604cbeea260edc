#ifndef ADV_SERVER_WIRE_ERRORS_H_
#define ADV_SERVER_WIRE_ERRORS_H_

#include <absl/status/status.h>
#include <absl/strings/string_view.h>
#include <absl/time/time.h>
#include <grpcpp/support/status.h>

#include <map>
#include <string>
#include <vector>

namespace adv {

// The reason why a call failed: ErrorInfo.reason, by which programs decide.
// Errors are absl::Status with the messages of google.rpc as payloads.
enum class Reason {
  kInvalidRequest,
  kModelNotFound,
  kModelNotLoaded,
  kModelUnreachable,
  kDatasetNotFound,
  kEvaluationNotFound,
  kEvaluationRunning,
  kEvaluationChanged,
  kQueueFull,
  kTooManyEvaluations,
  kStorageFull,
  kStorageUnavailable,
  kOutOfMemory,
  kMessageTooLarge,
  kUnauthenticated,
  kPermissionDenied,
  kQuotaExceeded,
  kDeadlineTooShort,
  kDeadlineExceeded,
  kCancelled,
  kEvaluationCancelled,
  kEvaluationEnding,
  kEvaluationFailed,
  kDraining,
  kInternal,
};

// ErrorInfo.domain of every error.
inline constexpr char kErrorDomain[] = "adv";

// A row of the one table; server/README.md shows the same.
struct ReasonRow {
  Reason reason;
  const char* name;       // ErrorInfo.reason
  absl::StatusCode code;  // a reason has one code
  const char* meaning;    // for readers of the table
};
const std::vector<ReasonRow>& ErrorTable();

// An error with ErrorInfo. `message` says what is wrong and what would be
// right. Bytes from outside come into it through Quote.
absl::Status Error(Reason reason, absl::string_view message,
                   const std::map<std::string, std::string>& metadata = {});

// An error for a name that is not known; it adds google.rpc.ResourceInfo.
// `type` is the message's name, "adv.v1.Model".
absl::Status NotFound(Reason reason, absl::string_view type,
                      absl::string_view name, absl::string_view message);

// An error for what will pass, as a lack of room; it adds google.rpc.RetryInfo.
absl::Status Overloaded(Reason reason, absl::string_view message,
                        absl::Duration retry_after);

// The name in the status's ErrorInfo; empty for a status made elsewhere.
std::string ReasonName(const absl::Status& status);

bool HasReason(const absl::Status& status, Reason reason);

// Bytes from outside in a form fit for an error: in quotes, escaped, cut short.
std::string Quote(absl::string_view bytes);

// Gathers all faults of a request, so that its caller learns them at once.
// Faults beyond the size of gRPC's trailers are counted, not listed.
class FieldViolations {
 public:
  // `field` is the path in the request message: "spec.epsilons[1]".
  // `description` names the value and the allowed range.
  void Add(absl::string_view field, absl::string_view description);

  bool empty() const { return violations_.empty(); }
  // OK if empty; otherwise INVALID_ARGUMENT with ErrorInfo and
  // google.rpc.BadRequest.
  absl::Status status() const;

 private:
  struct Violation {
    std::string field;
    std::string description;
  };
  std::vector<Violation> violations_;
};

// The only way from a status to gRPC. The result has grpc-status-details-bin,
// always with an ErrorInfo, and the code of the table.
grpc::Status ToGrpcStatus(const absl::Status& status);

// The value of grpc-retry-pushback-ms for this error, empty for none. The stock
// clients wait exactly so long before they try again. It is negative, and they
// do not try again, if something is full that waiting does not empty:
// RESOURCE_EXHAUSTED without RetryInfo.
std::string RetryPushback(const absl::Status& status);

}  // namespace adv

#endif  // ADV_SERVER_WIRE_ERRORS_H_
