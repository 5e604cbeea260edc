#include "client/commands/evaluation_comparison.h"

#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "client/attacks/whole_number.h"
#include "client/commands/one_evaluation.h"
#include "client/evaluations/evaluation_diff.h"
#include "client/evaluations/record_pages.h"
#include "client/printers/evaluation_diff.h"
#include "client/printers/evaluations.h"
#include "client/printers/json.h"
#include "client/printers/numbers.h"

namespace adv {
namespace {

// Images that people see without --limit.
constexpr std::uint64_t kShownImages = 10;

std::string PlaceOf(const Connection& server) {
  return server.is_private() ? "private server" : server.address();
}

}  // namespace

void AddDiffLimit(CLI::App* verb, std::uint64_t* limit) {
  verb->add_option("--limit", *limit,
                   "At most so many images that differ; default 10, all for "
                   "json and csv")
      ->type_name("N")
      ->check(WholeNumber(1, UINT64_MAX));
}

ExitCode GetFinished(Context& context, const std::string& id,
                     FinishedEvaluation* finished) {
  v1::Evaluation& evaluation = finished->evaluation;
  const ExitCode code =
      GetEvaluation(context, *finished->server, id, &evaluation);
  if (code != kOk || evaluation.has_report()) return code;
  const std::string short_id = ShortId(evaluation.id());
  return context.Fail(absl::FailedPreconditionError(
      EndedEarly(evaluation)
          ? absl::StrCat(EarlyEndText(evaluation),
                         "\nTo go on with it: advctl evaluations resume ",
                         short_id)
          : absl::StrCat(short_id, " is ", StateText(evaluation.state()),
                         " and has no report yet\nTo wait for it: advctl "
                         "evaluations attach ",
                         short_id)));
}

ExitCode CompareAndPrint(Context& context, const FinishedEvaluation& a,
                         const FinishedEvaluation& b, std::uint64_t limit) {
  EvaluationDiff diff = CompareEvaluations(a.evaluation, b.evaluation);
  if (NeedsRecords(diff)) {
    std::vector<v1::EvaluationRecord> of_a, of_b;
    for (const auto& [side, records] :
         {std::pair(&a, &of_a), std::pair(&b, &of_b)}) {
      const grpc::Status status = FetchRecords(
          *side->server, side->evaluation.id(), UINT64_MAX, records);
      if (!status.ok()) return context.Fail(status);
    }
    CompareRecords(of_a, std::move(of_b), &diff);
  }
  const DiffPlaces places = {PlaceOf(*a.server), PlaceOf(*b.server)};
  // People want to look at a few images, programs want all of them.
  const bool people = context.options().output == OutputFormat::kTable;
  if (limit == 0) limit = people ? kShownImages : UINT64_MAX;
  switch (context.options().output) {
    case OutputFormat::kTable:
      context.out() << DiffText(diff, places, limit, context.style());
      break;
    case OutputFormat::kJson:
      context.out() << JsonText(DiffJson(diff, places, limit));
      break;
    case OutputFormat::kCsv:
      context.out() << DiffCsv(diff, limit);
      break;
  }
  return diff.identical ? kOk : kFailed;
}

}  // namespace adv
