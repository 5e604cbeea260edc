#ifndef ADV_CLIENT_PRINTERS_RESULT_DETAILS_H_
#define ADV_CLIENT_PRINTERS_RESULT_DETAILS_H_

#include <string>
#include <vector>

#include "client/printers/result_view.h"
#include "client/printers/style.h"

namespace adv {

// The facts beyond the rates, for the lines under a result's table: steps to
// success, sizes and cost; the adversary's goals; the kinds of images; the
// members of an AutoAttack. `view` is one of `views`, the attack's epsilons,
// which may share their cost.
std::string ResultDetails(const std::vector<ResultView>& views,
                          const ResultView& view, const Style& style);

// The same for one attack at many epsilons, as tables.
std::string SweepDetails(const std::vector<ResultView>& views,
                         const Style& style);

// The meaning of goals and kinds, for the legend; empty if no result has them.
std::string DetailsLegend(const v1::EvaluationReport& report);

}  // namespace adv

#endif  // ADV_CLIENT_PRINTERS_RESULT_DETAILS_H_
