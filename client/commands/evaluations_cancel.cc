#include <string>

#include "client/commands/one_evaluation.h"

namespace adv {
namespace {

// An evaluation that has ended already stays as it is, so the printed state
// tells what it came to.
ExitCode CancelEvaluation(Context& context, const std::string& id) {
  Connection* server = context.Connect();
  if (server == nullptr) return context.connect_error();
  const auto call = server->NewCall(kQuickSeconds);
  v1::CancelEvaluationRequest request;
  request.set_id(id);
  v1::CancelEvaluationResponse response;
  const grpc::Status status =
      server->evaluation().CancelEvaluation(call.get(), request, &response);
  if (!status.ok()) return context.Fail(status);
  PrintState(context, response.evaluation());
  return kOk;
}

}  // namespace

void AddEvaluationsCancel(CLI::App* group, Action* action) {
  AddVerbWithId(group, action, "cancel",
                "End a running evaluation; what is done so far is kept",
                "Example:\n"
                "  advctl evaluations cancel 3f9a1c22d0e4\n"
                "\n"
                "`evaluations resume` goes on with it.",
                CancelEvaluation);
}

}  // namespace adv
