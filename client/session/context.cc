#include "client/session/context.h"

#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "client/printers/visible.h"
#include "client/session/errors.h"

namespace adv {

Context::Context(GlobalOptions options, std::ostream& out, std::ostream& err)
    : options_(std::move(options)),
      out_(out),
      err_(err),
      style_(Style::For(STDOUT_FILENO, options_.no_color)) {}

Context::~Context() = default;

Connection* Context::Connect() {
  if (connection_ != nullptr) return connection_.get();
  auto connection = Connection::Open(options_);
  if (!connection.ok()) {
    connect_error_ =
        Fail(connection.status(), ConnectErrorCode(connection.status()));
    return nullptr;
  }
  connection_ = *std::move(connection);
  if (!connection_->warning().empty()) PrintError(connection_->warning());
  Verbose(absl::StrCat("connected to ",
                       connection_->is_private() ? "a private server at " : "",
                       connection_->address()));
  return connection_.get();
}

ExitCode Context::Fail(const grpc::Status& status) {
  std::string message = Explain(status);
  const ExitCode code = ExitCodeOf(status.error_code());
  // A refusal explains itself; for other failures the log may tell why.
  if (code != kRefused && connection_ != nullptr && connection_->is_private()) {
    absl::StrAppend(&message,
                    "\n  log of the private server: ", connection_->log_path());
  }
  PrintError(message);
  return code;
}

ExitCode Context::Fail(const absl::Status& status, ExitCode code) {
  PrintError(std::string(status.message()));
  return code;
}

ExitCode Context::Usage(const std::string& flag, const absl::Status& status) {
  return Usage(absl::StrCat(flag, ": ", status.message()));
}

ExitCode Context::Usage(const std::string& message) {
  PrintError(message);
  return kUsage;
}

void Context::Verbose(const std::string& line) {
  if (options_.verbose) err_ << "advctl: " << Visible(line) << std::endl;
}

void Context::PrintError(const std::string& message) {
  // Keeps results and errors in order where both go to one place.
  out_.flush();
  err_ << "advctl: " << VisibleLines(message) << std::endl;
}

}  // namespace adv
