#ifndef ADV_CLIENT_PRINTERS_EVALUATIONS_H_
#define ADV_CLIENT_PRINTERS_EVALUATIONS_H_

#include <string>
#include <vector>

#include "adv/v1/evaluation.pb.h"
#include "client/printers/style.h"
#include "client/printers/table.h"

namespace adv {

// "running", "succeeded", ...; "state 9" if only its number is known.
std::string StateText(v1::EvaluationState state);

// One row for each evaluation.
Table EvaluationTable(const std::vector<v1::Evaluation>& evaluations);

// An evaluation without a report: its facts and its progress.
std::string UnfinishedText(const v1::Evaluation& evaluation,
                           const Style& style);

}  // namespace adv

#endif  // ADV_CLIENT_PRINTERS_EVALUATIONS_H_
