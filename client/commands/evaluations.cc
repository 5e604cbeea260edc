#include "client/commands/commands.h"

namespace adv {

void AddEvaluations(CLI::App& app, Action* action) {
  CLI::App* group = app.add_subcommand("evaluations",
                                       "The evaluations that the server knows");
  group->require_subcommand(1);
  group->footer(
      "Examples:\n"
      "  advctl evaluations list\n"
      "  advctl evaluations show 3f9a1c22d0e4\n"
      "  advctl evaluations attach 3f9a1c22d0e4     follow it to its end\n"
      "  advctl evaluations diff 3f9a1c22d0e4 b07c55d1e2aa\n"
      "  advctl evaluations records 3f9a1c22d0e4 --output=csv > records.csv");
  // The help lists the verbs in this order.
  AddEvaluationsList(group, action);
  AddEvaluationsShow(group, action);
  AddEvaluationsRecords(group, action);
  AddEvaluationsAttach(group, action);
  AddEvaluationsCancel(group, action);
  AddEvaluationsResume(group, action);
  AddEvaluationsDiff(group, action);
  AddEvaluationsReproduce(group, action);
  AddEvaluationsDelete(group, action);
}

}  // namespace adv
