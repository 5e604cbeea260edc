#include "client/commands/one_evaluation.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "client/evaluations/evaluation_run.h"
#include "client/printers/evaluations.h"
#include "client/printers/json.h"
#include "client/printers/numbers.h"
#include "client/printers/report.h"
#include "client/printers/visible.h"
#include "client/session/progress.h"

namespace adv {
namespace {

// One evaluation in the form of a list, so that programs read one form.
std::string JsonList(const v1::Evaluation& evaluation) {
  auto list = nlohmann::ordered_json::array();
  list.push_back(ToJson(evaluation));
  return JsonText({{"evaluations", list}});
}

}  // namespace

void AddEvaluationId(CLI::App* verb, std::string* id, const std::string& name) {
  verb->add_option(name, *id,
                   "Id of the evaluation, or its beginning, at least 6 digits")
      ->required();
}

void AddVerbWithId(CLI::App* group, Action* action, const char* name,
                   const char* about, const char* footer,
                   ExitCode (*run)(Context&, const std::string&)) {
  CLI::App* verb = group->add_subcommand(name, about);
  auto id = std::make_shared<std::string>();
  AddEvaluationId(verb, id.get());
  verb->footer(footer);
  verb->callback([action, id, run] {
    *action = [id, run](Context& context) { return run(context, *id); };
  });
}

ExitCode GetEvaluation(Context& context, Connection& server,
                       const std::string& id, v1::Evaluation* evaluation) {
  const auto call = server.NewCall(kQuickSeconds);
  v1::GetEvaluationRequest request;
  request.set_id(id);
  v1::GetEvaluationResponse response;
  const grpc::Status status =
      server.evaluation().GetEvaluation(call.get(), request, &response);
  if (!status.ok()) {
    const ExitCode code = context.Fail(status);
    if (status.error_code() == grpc::StatusCode::NOT_FOUND) {
      context.err() << "Those that it knows: advctl evaluations list"
                    << std::endl;
    }
    return code;
  }
  *evaluation = std::move(*response.mutable_evaluation());
  return kOk;
}

bool EndedEarly(const v1::Evaluation& evaluation) {
  return evaluation.state() == v1::EVALUATION_STATE_CANCELLED ||
         evaluation.state() == v1::EVALUATION_STATE_FAILED;
}

std::string EarlyEndText(const v1::Evaluation& evaluation) {
  const bool failed = evaluation.state() == v1::EVALUATION_STATE_FAILED;
  const std::string reason =
      evaluation.error().empty() ? "" : absl::StrCat(": ", evaluation.error());
  return absl::StrCat(ShortId(evaluation.id()),
                      failed ? " failed" : " was cancelled", " after ",
                      CountText(evaluation.samples_done()), " of ",
                      CountText(evaluation.samples_total()), " images", reason);
}

void PrintEvaluation(Context& context, const v1::Evaluation& evaluation) {
  switch (context.options().output) {
    case OutputFormat::kJson:
      context.out() << JsonList(evaluation);
      return;
    case OutputFormat::kCsv:
      context.out() << ReportCsv({evaluation});
      return;
    case OutputFormat::kTable:
      break;
  }
  // It has none while it runs, and none if it was cancelled or failed.
  if (!evaluation.has_report()) {
    context.out() << UnfinishedText(evaluation, context.style());
    return;
  }
  ModelResults results;
  results.evaluations.push_back(evaluation);
  context.out() << ReportText(results, context.style());
}

void PrintState(Context& context, const v1::Evaluation& evaluation) {
  switch (context.options().output) {
    case OutputFormat::kTable:
      context.out() << Visible(ShortId(evaluation.id())) << " is "
                    << StateText(evaluation.state()) << ".\n";
      break;
    case OutputFormat::kCsv:
      context.out() << EvaluationTable({evaluation}).ToCsv();
      break;
    case OutputFormat::kJson:
      context.out() << JsonList(evaluation);
      break;
  }
}

ExitCode FollowAndPrint(Context& context, Connection& server,
                        Interrupts& interrupts, v1::Evaluation evaluation) {
  if (!evaluation.has_report()) {
    Progress progress = Progress::For(context.err());
    const ExitCode code =
        FollowEvaluation(context, server, interrupts, progress, &evaluation);
    if (code != kOk) return code;
  }
  PrintEvaluation(context, evaluation);
  return kOk;
}

}  // namespace adv
