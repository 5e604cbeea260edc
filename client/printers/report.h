#ifndef ADV_CLIENT_PRINTERS_REPORT_H_
#define ADV_CLIENT_PRINTERS_REPORT_H_

#include <string>
#include <vector>

#include "adv/v1/evaluation.pb.h"
#include "client/printers/result_view.h"
#include "client/printers/style.h"

namespace adv {

// The rates of the marked class, and of all others together. The marked class's
// rates are unset if no class is marked.
struct MarkedSplit {
  std::string class_name;
  v1::Rate clean, robust, others_clean, others_robust;
};
// False if no class is marked. `label` is the special label of the first
// report, even if `result` belongs to the comparison.
bool SplitMarked(const v1::AttackResult& result, int label, MarkedSplit* split);

// The fall of the accuracies in sentences: one paragraph for each attack at its
// largest epsilon, or at each epsilon if there are at most two.
std::string Headline(const ModelResults& results, const Style& style);

// The whole report for people: header, headline, tables, cost, warnings, ids.
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
