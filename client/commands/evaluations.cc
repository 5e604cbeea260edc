#include "client/printers/evaluations.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/attacks/whole_number.h"
#include "client/commands/commands.h"
#include "client/evaluations/record_pages.h"
#include "client/printers/json.h"
#include "client/printers/numbers.h"
#include "client/printers/records.h"
#include "client/printers/report.h"
#include "client/printers/visible.h"

namespace adv {
namespace {

// How many are shown without --limit.
constexpr std::uint64_t kShownRecords = 20;
constexpr std::uint64_t kShownEvaluations = 20;
// Evaluations of one call. Pages keep each answer small.
constexpr std::uint64_t kEvaluationPage = 100;

struct ListFlags {
  std::string model;
  std::uint64_t limit = kShownEvaluations;
};

struct RecordFlags {
  std::string id;
  std::uint64_t limit = 0;  // 0: all for programs, some for people
};

// One evaluation in the form of a list, so that programs read one form.
nlohmann::ordered_json ListOf(const v1::Evaluation& evaluation) {
  auto list = nlohmann::ordered_json::array();
  list.push_back(ToJson(evaluation));
  return {{"evaluations", list}};
}

// Lists evaluations page by page until the limit or the end.
ExitCode ListEvaluations(Context& context, const ListFlags& flags) {
  Connection* server = context.Connect();
  if (server == nullptr) return context.connect_error();
  std::vector<v1::Evaluation> evaluations;
  v1::ListEvaluationsRequest request;
  request.set_model(flags.model);
  do {
    const auto left = flags.limit - evaluations.size();
    // `left` is at least 1: the loop ends when the limit is reached.
    request.set_page_size(std::min(left, kEvaluationPage));
    const auto call = server->NewCall(kQuickSeconds);
    v1::ListEvaluationsResponse page;
    const grpc::Status status =
        server->evaluation().ListEvaluations(call.get(), request, &page);
    if (!status.ok()) return context.Fail(status);
    evaluations.insert(evaluations.end(), page.evaluations().begin(),
                       page.evaluations().end());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty() && evaluations.size() < flags.limit);
  if (context.options().output == OutputFormat::kJson) {
    auto list = nlohmann::ordered_json::array();
    for (const auto& one : evaluations) list.push_back(ToJson(one));
    context.out() << JsonText({{"evaluations", list}});
  } else if (context.options().output == OutputFormat::kCsv) {
    context.out() << EvaluationTable(evaluations).ToCsv();
  } else if (evaluations.empty()) {
    context.out() << "None yet; start one with: advctl evaluate "
                     "--model=NAME\n";
  } else {
    context.out() << EvaluationTable(evaluations).ToText(context.style(), 0);
  }
  return kOk;
}

// Asks for one evaluation by its id or the beginning of its id.
ExitCode Get(Context& context, const std::string& id,
             v1::Evaluation* evaluation) {
  Connection* server = context.Connect();
  if (server == nullptr) return context.connect_error();
  const auto call = server->NewCall(kQuickSeconds);
  v1::GetEvaluationRequest request;
  request.set_id(id);
  v1::GetEvaluationResponse response;
  const grpc::Status status =
      server->evaluation().GetEvaluation(call.get(), request, &response);
  if (!status.ok()) return context.Fail(status);
  *evaluation = std::move(*response.mutable_evaluation());
  return kOk;
}

// CSV has the rows of the report, and its header alone if there is none.
ExitCode ShowEvaluation(Context& context, const std::string& id) {
  v1::Evaluation evaluation;
  const ExitCode code = Get(context, id, &evaluation);
  if (code != kOk) return code;
  switch (context.options().output) {
    case OutputFormat::kJson:
      context.out() << JsonText(ListOf(evaluation));
      return kOk;
    case OutputFormat::kCsv:
      context.out() << ReportCsv({evaluation});
      return kOk;
    case OutputFormat::kTable:
      break;
  }
  // It has none while it runs, and none if it was cancelled or failed.
  if (!evaluation.has_report()) {
    context.out() << UnfinishedText(evaluation, context.style());
    return kOk;
  }
  ModelResults results;
  results.evaluations.push_back(std::move(evaluation));
  context.out() << ReportText(results, context.style());
  return kOk;
}

// Cancels an evaluation. One that has ended already stays as it is, so the
// printed state tells what it came to.
ExitCode Cancel(Context& context, const std::string& id) {
  Connection* server = context.Connect();
  if (server == nullptr) return context.connect_error();
  const auto call = server->NewCall(kQuickSeconds);
  v1::CancelEvaluationRequest request;
  request.set_id(id);
  v1::CancelEvaluationResponse response;
  const grpc::Status status =
      server->evaluation().CancelEvaluation(call.get(), request, &response);
  if (!status.ok()) return context.Fail(status);
  if (context.options().output == OutputFormat::kTable) {
    context.out() << Visible(ShortId(response.evaluation().id())) << " is "
                  << StateText(response.evaluation().state()) << ".\n";
  } else if (context.options().output == OutputFormat::kCsv) {
    context.out() << EvaluationTable({response.evaluation()}).ToCsv();
  } else {
    context.out() << JsonText(ListOf(response.evaluation()));
  }
  return kOk;
}

// Deletes an evaluation. The server's answer is empty, so the id is printed as
// it was typed.
ExitCode Delete(Context& context, const std::string& id) {
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

ExitCode Records(Context& context, const RecordFlags& flags) {
  v1::Evaluation evaluation;
  const ExitCode code = Get(context, flags.id, &evaluation);
  if (code != kOk) return code;
  const bool people = context.options().output == OutputFormat::kTable;
  std::uint64_t limit = flags.limit;
  // People want to look at a few records, programs want all of them.
  if (limit == 0) limit = people ? kShownRecords : UINT64_MAX;
  std::vector<v1::EvaluationRecord> records;
  const grpc::Status status =
      // Get() has connected already, so this cannot be null.
      FetchRecords(*context.Connect(), evaluation.id(), limit, &records);
  if (!status.ok()) return context.Fail(status);
  // Records hold numbers; the names come from the evaluation.
  const RecordNames names = NamesOf(evaluation);
  if (context.options().output == OutputFormat::kJson) {
    auto list = nlohmann::ordered_json::array();
    for (const auto& one : records) list.push_back(ToJson(one));
    context.out() << JsonText({{"records", list}});
    return kOk;
  }
  if (context.options().output == OutputFormat::kCsv) {
    Table table = RecordCsvHeader();
    for (const auto& one : records) AddRecordRows(one, names, &table);
    context.out() << table.ToCsv();
    return kOk;
  }
  context.out() << RecordTable(records, names).ToText(context.style(), 0);
  if (records.size() < evaluation.samples_done()) {
    context.out() << "\nThe first " << records.size() << " of "
                  << CountText(evaluation.samples_done())
                  << ". ✗: wrong, or where the attack wanted it.\n"
                     "--limit=N shows more, --output=csv all of them with all "
                     "that was measured.\n";
  }
  return kOk;
}

// Adds a subcommand whose only argument is the id of an evaluation.
void AddWithId(CLI::App* group, Action* action, const char* name,
               const char* about, const char* footer,
               ExitCode (*run)(Context&, const std::string&)) {
  CLI::App* command = group->add_subcommand(name, about);
  auto id = std::make_shared<std::string>();
  command
      ->add_option("ID", *id,
                   "Id of the evaluation, or its beginning, at least 6 digits")
      ->required();
  command->footer(footer);
  command->callback([action, id, run] {
    *action = [id, run](Context& context) { return run(context, *id); };
  });
}

void AddListCommand(CLI::App* group, Action* action) {
  CLI::App* command =
      group->add_subcommand("list", "List evaluations, newest first");
  auto flags = std::make_shared<ListFlags>();
  command->add_option("--model", flags->model, "Only those of this model")
      ->type_name("NAME");
  command->add_option("--limit", flags->limit, "At most so many; default 20")
      ->type_name("N")
      ->check(WholeNumber(1, UINT64_MAX));
  command->footer(
      "Examples:\n"
      "  advctl evaluations list\n"
      "  advctl evaluations list --model=no-cat --limit=5");
  command->callback([action, flags] {
    *action = [flags](Context& context) {
      return ListEvaluations(context, *flags);
    };
  });
}

void AddRecords(CLI::App* group, Action* action) {
  CLI::App* command = group->add_subcommand(
      "records", "Show what was measured, image by image");
  auto flags = std::make_shared<RecordFlags>();
  command
      ->add_option("ID", flags->id,
                   "Id of the evaluation, or its beginning, at least 6 digits")
      ->required();
  command
      ->add_option("--limit", flags->limit,
                   "At most so many images; default 20, all for json and csv")
      ->type_name("N")
      ->check(WholeNumber(1, UINT64_MAX));
  command->footer(
      "Examples:\n"
      "  advctl evaluations records 3f9a1c22d0e4\n"
      "  advctl evaluations records 3f9a1c22d0e4 --output=csv > records.csv");
  command->callback([action, flags] {
    *action = [flags](Context& context) { return Records(context, *flags); };
  });
}

}  // namespace

void AddEvaluations(CLI::App& app, Action* action) {
  CLI::App* group = app.add_subcommand("evaluations",
                                       "The evaluations that the server knows");
  group->require_subcommand(1);
  group->footer(
      "Examples:\n"
      "  advctl evaluations list\n"
      "  advctl evaluations show 3f9a1c22d0e4\n"
      "  advctl evaluations records 3f9a1c22d0e4 --output=csv > records.csv");
  AddListCommand(group, action);
  AddWithId(group, action, "show",
            "Show an evaluation: its report, or how far it is",
            "Examples:\n"
            "  advctl evaluations show 3f9a1c22d0e4\n"
            "  advctl evaluations show 3f9a1c22d0e4 --output=csv",
            ShowEvaluation);
  AddRecords(group, action);
  AddWithId(group, action, "cancel",
            "End a running evaluation; what is done so far is kept",
            "Example:\n  advctl evaluations cancel 3f9a1c22d0e4", Cancel);
  AddWithId(group, action, "delete",
            "Forget an evaluation that has ended, with its records",
            "Example:\n  advctl evaluations delete 3f9a1c22d0e4", Delete);
}

}  // namespace adv
