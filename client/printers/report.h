#ifndef ADV_CLIENT_PRINTERS_REPORT_H_
#define ADV_CLIENT_PRINTERS_REPORT_H_

#include <string>
#include <vector>

#include "adv/v1/evaluation.pb.h"
#include "client/printers/style.h"

namespace adv {

// Widest line that the reports for people have.
inline constexpr int kReportWidth = 100;

// The finished evaluations of one model and, for comparison, those of another
// with the same questions: `beside` is empty or as long as `evaluations`.
struct ModelResults {
  std::vector<v1::Evaluation> evaluations;
  std::vector<v1::Evaluation> beside;
};

// One attack at one epsilon, with the report it comes from. The pointers are
// into a ModelResults; those of the comparison are null without one.
struct ResultView {
  const v1::EvaluationReport* report;
  const v1::AttackResult* result;
  const v1::EvaluationReport* beside_report;
  const v1::AttackResult* beside;
};

// All results, grouped by attack: one inner list holds the epsilons of one.
std::vector<std::vector<ResultView>> GroupByAttack(const ModelResults& results);

// "FGSM at epsilon 0.01".
std::string ResultTitle(const v1::AttackResult& result);

// "FGSM"; with its parameters if another attack of the report has that name.
std::string AttackLabel(const ResultView& view);

// The outcomes of the class that is marked, and of all others together; null
// rates if no class is marked.
struct MarkedSplit {
  std::string class_name;
  v1::Rate clean, robust, others_clean, others_robust;
};
// False if no class is marked. `label` is the special label of the report in
// front, also when `result` belongs to the comparison.
bool SplitMarked(const v1::AttackResult& result, int label, MarkedSplit* split);

// What fell from what to what, as sentences: one paragraph an attack, at its
// largest epsilon (at each if there are at most two).
std::string Headline(const ModelResults& results, const Style& style);

// Everything for people: header, headline, tables, cost, warnings, ids.
// `can_ask_again`: whether the server keeps the evaluations after this call.
std::string ReportText(const ModelResults& results, const Style& style,
                       bool can_ask_again = true);

// One attack over many epsilons: overall, and by class.
std::string SweepText(const std::vector<ResultView>& views, const Style& style);

// Robust accuracy of several models side by side.
std::string SummaryText(const std::vector<ModelResults>& models,
                        const Style& style);

// One row per model, attack, epsilon and class, and one for all classes.
std::string ReportCsv(const std::vector<v1::Evaluation>& evaluations);

}  // namespace adv

#endif  // ADV_CLIENT_PRINTERS_REPORT_H_
