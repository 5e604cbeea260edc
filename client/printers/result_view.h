#ifndef ADV_CLIENT_PRINTERS_RESULT_VIEW_H_
#define ADV_CLIENT_PRINTERS_RESULT_VIEW_H_

#include <string>
#include <vector>

#include "adv/v1/evaluation.pb.h"

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

}  // namespace adv

#endif  // ADV_CLIENT_PRINTERS_RESULT_VIEW_H_
