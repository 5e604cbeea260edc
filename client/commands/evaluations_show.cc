#include <string>

#include "client/commands/one_evaluation.h"

namespace adv {
namespace {

ExitCode ShowEvaluation(Context& context, const std::string& id) {
  Connection* server = context.Connect();
  if (server == nullptr) return context.connect_error();
  v1::Evaluation evaluation;
  const ExitCode code = GetEvaluation(context, *server, id, &evaluation);
  if (code != kOk) return code;
  PrintEvaluation(context, evaluation);
  return kOk;
}

}  // namespace

void AddEvaluationsShow(CLI::App* group, Action* action) {
  AddVerbWithId(group, action, "show",
                "Show an evaluation: its report, or how far it is",
                "Examples:\n"
                "  advctl evaluations show 3f9a1c22d0e4\n"
                "  advctl evaluations show 3f9a1c22d0e4 --output=csv",
                ShowEvaluation);
}

}  // namespace adv
