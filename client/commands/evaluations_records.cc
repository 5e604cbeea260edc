#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "client/attacks/whole_number.h"
#include "client/commands/one_evaluation.h"
#include "client/evaluations/record_pages.h"
#include "client/printers/json.h"
#include "client/printers/numbers.h"
#include "client/printers/records.h"

namespace adv {
namespace {

// How many are shown without --limit.
constexpr std::uint64_t kShownRecords = 20;

struct RecordFlags {
  std::string id;
  std::uint64_t limit = 0;  // 0: all for programs, some for people
};

ExitCode ShowRecords(Context& context, const RecordFlags& flags) {
  Connection* server = context.Connect();
  if (server == nullptr) return context.connect_error();
  v1::Evaluation evaluation;
  const ExitCode code = GetEvaluation(context, *server, flags.id, &evaluation);
  if (code != kOk) return code;
  const bool people = context.options().output == OutputFormat::kTable;
  std::uint64_t limit = flags.limit;
  // People want to look at a few records, programs want all of them.
  if (limit == 0) limit = people ? kShownRecords : UINT64_MAX;
  std::vector<v1::EvaluationRecord> records;
  const grpc::Status status =
      FetchRecords(*server, evaluation.id(), limit, &records);
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

}  // namespace

void AddEvaluationsRecords(CLI::App* group, Action* action) {
  CLI::App* command = group->add_subcommand(
      "records", "Show what was measured, image by image");
  auto flags = std::make_shared<RecordFlags>();
  AddEvaluationId(command, &flags->id);
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
    *action = [flags](Context& context) {
      return ShowRecords(context, *flags);
    };
  });
}

}  // namespace adv
