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

// What a command runs in: the global options, where to print, and the server.
// Commands return an ExitCode; the Fail functions print why and give it back,
// so that a command can end with `return context.Fail(...)`.
class Context {
 public:
  // The streams must outlive it.
  Context(GlobalOptions options, std::ostream& out, std::ostream& err);
  ~Context();

  GlobalOptions& options() { return options_; }
  const GlobalOptions& options() const { return options_; }
  std::ostream& out() { return out_; }
  std::ostream& err() { return err_; }
  // How standard output may look.
  const Style& style() const { return style_; }

  // Connects once; nullptr after having said why not, and then connect_error()
  // is the command's result.
  Connection* Connect();
  ExitCode connect_error() const { return connect_error_; }

  // A failed call.
  ExitCode Fail(const grpc::Status& status);
  // What went wrong here, not at the server.
  ExitCode Fail(const absl::Status& status, ExitCode code = kFailed);
  // A wrong value of `flag`.
  ExitCode Usage(const std::string& flag, const absl::Status& status);
  ExitCode Usage(const std::string& message);

  // A line on standard error that --verbose asks for.
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
