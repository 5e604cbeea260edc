#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "client/attacks/whole_number.h"
#include "client/commands/commands.h"
#include "client/printers/evaluations.h"
#include "client/printers/json.h"

namespace adv {
namespace {

// How many are shown without --limit.
constexpr std::uint64_t kShownEvaluations = 20;
// Evaluations of one call. Pages keep each answer small.
constexpr std::uint64_t kEvaluationPage = 100;

struct ListFlags {
  std::string model;
  std::uint64_t limit = kShownEvaluations;
};

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

}  // namespace

void AddEvaluationsList(CLI::App* group, Action* action) {
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

}  // namespace adv
