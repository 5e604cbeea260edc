#ifndef ADV_CLIENT_SESSION_ERRORS_H_
#define ADV_CLIENT_SESSION_ERRORS_H_

#include <string>

#include "absl/status/status.h"
#include "client/exit_code.h"
#include "grpcpp/support/status.h"

namespace adv {

// The exit status for a failed call.
ExitCode ExitCodeOf(grpc::StatusCode code);

// The exit status for a connection that Connection::Open could not make.
// DEADLINE_EXCEEDED means that the user's --timeout ran out, not that there is
// no server, and FAILED_PRECONDITION that the file of contexts is damaged.
ExitCode ConnectErrorCode(const absl::Status& status);

// ErrorInfo.reason of a failed call; empty if it has none.
std::string ReasonOf(const grpc::Status& status);

// Explains a failed call to people: the message, and every field violation with
// the flag that it came from. Several lines, without a newline at the end.
std::string Explain(const grpc::Status& status);

// The flag behind a request's field: "spec.epsilons[1].pixels" gives "--epsilon
// (value 2)". Empty if no flag fits.
std::string FlagOf(const std::string& field);

}  // namespace adv

#endif  // ADV_CLIENT_SESSION_ERRORS_H_
