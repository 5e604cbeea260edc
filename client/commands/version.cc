#include "client/commands/commands.h"
#include "client/printers/json.h"
#include "grpcpp/grpcpp.h"

namespace adv {
namespace {

ExitCode PrintVersion(Context& context) {
  if (context.options().output == OutputFormat::kJson) {
    context.out() << JsonText(
        {{"advctl", ADV_VERSION}, {"grpc", grpc::Version()}});
  } else if (context.options().output == OutputFormat::kCsv) {
    context.out() << "program,version\nadvctl," ADV_VERSION "\ngrpc,"
                  << grpc::Version() << "\n";
  } else {
    context.out() << "advctl " ADV_VERSION " (gRPC " << grpc::Version()
                  << ")\n";
  }
  return kOk;
}

}  // namespace

void AddVersion(CLI::App& app, Action* action) {
  CLI::App* command = app.add_subcommand(
      "version", "Print the version of advctl (server info has the server's)");
  command->callback([action] { *action = PrintVersion; });
}

}  // namespace adv
