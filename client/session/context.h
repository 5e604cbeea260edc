#ifndef ADV_CLIENT_SESSION_CONTEXT_H_
#define ADV_CLIENT_SESSION_CONTEXT_H_

#include <memory>
#include <ostream>
#include <string>

#include "absl/status/status.h"
#include "client/exit_code.h"
#include "client/options.h"
#include "client/printers/style.h"
#include "client/session/connection.h"
#include "grpcpp/support/status.h"

namespace adv {

// The surroundings of a command: the global options, the streams to print to,
// and the server. Commands return an ExitCode. The Fail functions print the
// reason and return the code, so that a command can end with `return
// context.Fail(...)`.
class Context {
 public:
  // The streams must outlive it.
  Context(GlobalOptions options, std::ostream& out, std::ostream& err);
  ~Context();

  GlobalOptions& options() { return options_; }
  const GlobalOptions& options() const { return options_; }
  std::ostream& out() { return out_; }
  std::ostream& err() { return err_; }
  // The styles that standard output may use.
  const Style& style() const { return style_; }

  // Connects, once. After a failure it has printed the reason and returns
  // nullptr; connect_error() is then the command's result.
  Connection* Connect();
  ExitCode connect_error() const { return connect_error_; }

  // Reports a failed call.
  ExitCode Fail(const grpc::Status& status);
  // Reports an error of this program, not of the server.
  ExitCode Fail(const absl::Status& status, ExitCode code = kFailed);
  // Reports a wrong value of `flag`.
  ExitCode Usage(const std::string& flag, const absl::Status& status);
  ExitCode Usage(const std::string& message);

  // Prints a line on standard error if --verbose is given.
  void Verbose(const std::string& line);

 private:
  void PrintError(const std::string& message);

  GlobalOptions options_;
  std::ostream& out_;
  std::ostream& err_;
  const Style style_;
  std::unique_ptr<Connection> connection_;
  ExitCode connect_error_ = kOk;
};

}  // namespace adv

#endif  // ADV_CLIENT_SESSION_CONTEXT_H_
