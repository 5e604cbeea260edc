#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "client/commands/evaluation_comparison.h"
#include "client/commands/one_evaluation.h"
#include "client/session/errors.h"

namespace adv {
namespace {

struct DiffFlags {
  std::string a, b;
  std::string other_server;
  std::uint64_t limit = 0;
};

ExitCode DiffEvaluations(Context& context, const DiffFlags& flags) {
  Connection* server = context.Connect();
  if (server == nullptr) return context.connect_error();
  std::unique_ptr<Connection> other;
  if (!flags.other_server.empty()) {
    GlobalOptions options = context.options();
    options.access = AccessFlags::To(flags.other_server);
    options.local = false;
    auto opened = Connection::Open(options);
    if (!opened.ok()) {
      return context.Fail(opened.status(), ConnectErrorCode(opened.status()));
    }
    other = *std::move(opened);
  }
  FinishedEvaluation a{server, {}};
  FinishedEvaluation b{other == nullptr ? server : other.get(), {}};
  if (const ExitCode code = GetFinished(context, flags.a, &a); code != kOk) {
    return code;
  }
  if (const ExitCode code = GetFinished(context, flags.b, &b); code != kOk) {
    return code;
  }
  return CompareAndPrint(context, a, b, flags.limit);
}

}  // namespace

void AddEvaluationsDiff(CLI::App* group, Action* action) {
  CLI::App* command = group->add_subcommand(
      "diff", "Compare two finished evaluations image by image");
  auto flags = std::make_shared<DiffFlags>();
  AddEvaluationId(command, &flags->a);
  AddEvaluationId(command, &flags->b, "ID2");
  command
      ->add_option("--other-server", flags->other_server,
                   "The server that has the second; default --server")
      ->type_name("ADDRESS");
  AddDiffLimit(command, &flags->limit);
  command->footer(
      "Examples:\n"
      "  advctl evaluations diff 3f9a1c22d0e4 b07c55d1e2aa\n"
      "  advctl evaluations diff 3f9a1c22d0e4 3f9a1c22d0e4 "
      "--other-server=gpu:50051\n"
      "  advctl evaluations diff 3f9a1c22d0e4 b07c55d1e2aa --output=csv > "
      "diff.csv\n"
      "\n"
      "It lists the settings that differ, and for each attack and epsilon "
      "that\n"
      "both have, which images stay right in A, in B, in both or in neither.\n"
      "Exit status: 0 if all records are the same to the last bit, 1 if not.");
  command->callback([action, flags] {
    *action = [flags](Context& context) {
      return DiffEvaluations(context, *flags);
    };
  });
}

}  // namespace adv
