#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "client/commands/one_evaluation.h"
#include "client/printers/numbers.h"

namespace adv {
namespace {

ExitCode AttachToEvaluation(Context& context, const std::string& id) {
  Interrupts interrupts;  // must exist before gRPC's first thread
  // Until the evaluation is followed, there is nothing to detach from.
  interrupts.OnInterrupt([] { _exit(kFailed); });
  Connection* server = context.Connect();
  if (server == nullptr) return context.connect_error();
  v1::Evaluation evaluation;
  const ExitCode code = GetEvaluation(context, *server, id, &evaluation);
  if (code != kOk) return code;
  // Attaching must not start it again; the user may have cancelled it.
  if (EndedEarly(evaluation)) {
    return context.Fail(absl::FailedPreconditionError(absl::StrCat(
        EarlyEndText(evaluation), "\nTo go on with it: advctl evaluations ",
        "resume ", ShortId(evaluation.id()))));
  }
  return FollowAndPrint(context, *server, interrupts, evaluation);
}

}  // namespace

void AddEvaluationsAttach(CLI::App* group, Action* action) {
  AddVerbWithId(
      group, action, "attach",
      "Follow a running evaluation to its end, and print its report",
      "Examples:\n"
      "  advctl evaluations attach 3f9a1c22d0e4\n"
      "  advctl evaluations attach 3f9a1c22d0e4 --output=json > report.json\n"
      "\n"
      "It shows what `advctl evaluate` shows. Ctrl-C detaches again, and "
      "twice\n"
      "cancels the evaluation. Of one that is finished it prints the report.",
      AttachToEvaluation);
}

}  // namespace adv
