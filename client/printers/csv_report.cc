#include "absl/strings/str_cat.h"
#include "client/attack_flags.h"
#include "client/epsilon.h"
#include "client/goal.h"
#include "client/printers/numbers.h"
#include "client/printers/report.h"
#include "client/printers/table.h"

namespace adv {
namespace {

std::vector<Table::Column> Columns() {
  std::vector<Table::Column> columns;
  for (const char* name :
       {"evaluation", "model", "model_version", "model_digest", "source_model",
        "dataset", "seed", "attack", "parameters", "epsilon_pixels", "goal",
        "label", "class", "marked", "images", "clean_right_adversarial_right",
        "clean_right_adversarial_wrong", "clean_wrong_adversarial_right",
        "clean_wrong_adversarial_wrong"}) {
    columns.push_back({name});
  }
  for (const char* rate : {"clean_accuracy", "robust_accuracy",
                           "attack_success", "perturbed_accuracy"}) {
    columns.push_back({rate});
    columns.push_back({absl::StrCat(rate, "_lower")});
    columns.push_back({absl::StrCat(rate, "_upper")});
  }
  return columns;
}

void AppendRate(const v1::Rate& rate, std::vector<std::string>* row) {
  row->push_back(ExactText(rate.value()));
  row->push_back(ExactText(rate.lower()));
  row->push_back(ExactText(rate.upper()));
}

std::vector<std::string> What(const v1::Evaluation& evaluation,
                              const v1::AttackResult& result) {
  const v1::EvaluationReport& report = evaluation.report();
  const v1::ResolvedSpec& resolved = report.resolved();
  return {evaluation.id(),
          resolved.model().name(),
          absl::StrCat(resolved.model().version()),
          resolved.model().digest(),
          resolved.spec().source_model(),
          resolved.spec().dataset(),
          absl::StrCat(resolved.spec().seed()),
          AttackName(result.attack()),
          AttackParameters(result.attack()),
          ExactText(Pixels(result.epsilon())),
          GoalName(resolved.spec().goal(), report.class_names())};
}

void AppendOutcomes(const v1::Outcomes& outcomes,
                    std::vector<std::string>* row) {
  row->push_back(absl::StrCat(outcomes.clean_accuracy().total()));
  row->push_back(absl::StrCat(outcomes.clean_right_adversarial_right()));
  row->push_back(absl::StrCat(outcomes.clean_right_adversarial_wrong()));
  row->push_back(absl::StrCat(outcomes.clean_wrong_adversarial_right()));
  row->push_back(absl::StrCat(outcomes.clean_wrong_adversarial_wrong()));
  AppendRate(outcomes.clean_accuracy(), row);
  AppendRate(outcomes.robust_accuracy(), row);
  AppendRate(outcomes.attack_success(), row);
  AppendRate(outcomes.perturbed_accuracy(), row);
}

}  // namespace

std::string ReportCsv(const std::vector<v1::Evaluation>& evaluations) {
  Table table(Columns());
  for (const v1::Evaluation& evaluation : evaluations) {
    const v1::EvaluationReport& report = evaluation.report();
    for (const v1::AttackResult& result : report.results()) {
      std::vector<std::string> all = What(evaluation, result);
      all.insert(all.end(), {"", "all", ""});
      AppendOutcomes(result.overall(), &all);
      table.AddRow(all);
      for (const v1::ClassOutcomes& one : result.per_class()) {
        const bool marked =
            report.has_special_label() && report.special_label() == one.label();
        std::vector<std::string> row = What(evaluation, result);
        row.insert(row.end(), {absl::StrCat(one.label()), one.class_name(),
                               marked ? "true" : "false"});
        AppendOutcomes(one.outcomes(), &row);
        table.AddRow(row);
      }
    }
  }
  return table.ToCsv();
}

}  // namespace adv
