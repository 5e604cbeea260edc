#include <unistd.h>

#include <memory>
#include <string>

#include "client/commands/one_evaluation.h"
#include "client/evaluations/evaluation_run.h"
#include "client/printers/numbers.h"
#include "client/printers/visible.h"

namespace adv {
namespace {

struct ResumeFlags {
  std::string id;
  bool detach = false;
};

ExitCode ResumeEvaluation(Context& context, const ResumeFlags& flags) {
  Interrupts interrupts;  // must exist before gRPC's first thread
  // Until the evaluation is followed, there is nothing to detach from.
  interrupts.OnInterrupt([] { _exit(kFailed); });
  Connection* server = context.Connect();
  if (server == nullptr) return context.connect_error();
  v1::Evaluation evaluation;
  ExitCode code = GetEvaluation(context, *server, flags.id, &evaluation);
  if (code != kOk) return code;
  // Programs that resume whatever they find need no other case for this.
  if (evaluation.has_report()) {
    context.err() << Visible(ShortId(evaluation.id()))
                  << " is finished; nothing is left to do." << std::endl;
  } else {
    code = StartEvaluation(context, *server, &evaluation);
    if (code != kOk) return code;
  }
  if (!flags.detach) {
    return FollowAndPrint(context, *server, interrupts, evaluation);
  }
  evaluation.clear_report();
  PrintState(context, evaluation);
  return kOk;
}

}  // namespace

void AddEvaluationsResume(CLI::App* group, Action* action) {
  CLI::App* command = group->add_subcommand(
      "resume", "Go on with an evaluation that was cancelled or failed");
  auto flags = std::make_shared<ResumeFlags>();
  AddEvaluationId(command, &flags->id);
  command->add_flag("--detach", flags->detach,
                    "Return as soon as it runs, without its report");
  command->footer(
      "Examples:\n"
      "  advctl evaluations resume 3f9a1c22d0e4\n"
      "  advctl evaluations resume 3f9a1c22d0e4 --detach\n"
      "\n"
      "What was done before is kept, and the report is the one that it would\n"
      "have had without the interruption. A running evaluation is followed as\n"
      "by `evaluations attach`; of a finished one the report is printed.");
  command->callback([action, flags] {
    *action = [flags](Context& context) {
      return ResumeEvaluation(context, *flags);
    };
  });
}

}  // namespace adv
