#include <string>

#include "client/commands/one_evaluation.h"
#include "client/printers/json.h"
#include "client/printers/table.h"
#include "client/printers/visible.h"

namespace adv {
namespace {

// The server's answer is empty, so the id is printed as it was typed.
ExitCode DeleteEvaluation(Context& context, const std::string& id) {
  Connection* server = context.Connect();
  if (server == nullptr) return context.connect_error();
  const auto call = server->NewCall(kQuickSeconds);
  v1::DeleteEvaluationRequest request;
  request.set_id(id);
  v1::DeleteEvaluationResponse response;
  const grpc::Status status =
      server->evaluation().DeleteEvaluation(call.get(), request, &response);
  if (!status.ok()) return context.Fail(status);
  if (context.options().output == OutputFormat::kTable) {
    context.out() << "Deleted " << Visible(id) << ".\n";
  } else if (context.options().output == OutputFormat::kJson) {
    context.out() << JsonText({{"deleted", id}});
  } else {
    context.out() << "deleted\n" << CsvField(Visible(id)) << "\n";
  }
  return kOk;
}

}  // namespace

void AddEvaluationsDelete(CLI::App* group, Action* action) {
  AddVerbWithId(group, action, "delete",
                "Forget an evaluation that has ended, with its records",
                "Example:\n  advctl evaluations delete 3f9a1c22d0e4",
                DeleteEvaluation);
}

}  // namespace adv
