#ifndef ADV_CLIENT_PRINTERS_RESULT_VIEW_H_
#define ADV_CLIENT_PRINTERS_RESULT_VIEW_H_

#include <string>
#include <vector>

#include "adv/v1/evaluation.pb.h"

namespace adv {

// The width of the widest line in reports for people.
inline constexpr int kReportWidth = 100;

// The finished evaluations of one model and, for comparison, those of another
// model with the same questions. `beside` is empty or as long as `evaluations`.
struct ModelResults {
  std::vector<v1::Evaluation> evaluations;
  std::vector<v1::Evaluation> beside;
};

// One attack at one epsilon, with its report. The pointers point into a
// ModelResults; those of the comparison are null if there is none.
struct ResultView {
  const v1::EvaluationReport* report;
  const v1::AttackResult* result;
  const v1::EvaluationReport* beside_report;
  const v1::AttackResult* beside;
};

// All results, grouped by attack: an inner list holds one attack's epsilons.
std::vector<std::vector<ResultView>> GroupByAttack(const ModelResults& results);

// "FGSM at epsilon 0.01".
std::string ResultTitle(const v1::AttackResult& result);

// "FGSM", with its parameters if another attack of the report has the same
// name.
std::string AttackLabel(const ResultView& view);

}  // namespace adv

#endif  // ADV_CLIENT_PRINTERS_RESULT_VIEW_H_
