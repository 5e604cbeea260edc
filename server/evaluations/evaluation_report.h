#ifndef ADV_SERVER_EVALUATIONS_EVALUATION_REPORT_H_
#define ADV_SERVER_EVALUATIONS_EVALUATION_REPORT_H_

#include <absl/status/statusor.h>

#include <string>

#include "adv/v1/evaluation.pb.h"
#include "server/evaluations/evaluation_store.h"
#include "server/evaluations/resolved_evaluation.h"

namespace adv {

// The report of the evaluation `id`, all of whose records `store` holds. It
// is a function of these records alone, but for `environment`, to which the
// effort that the store knows of is added. DATA_LOSS if a record is damaged;
// errors of the store.
absl::StatusOr<v1::EvaluationReport> MakeReport(
    const EvaluationStore& store, const std::string& id,
    const ResolvedEvaluation& evaluation, v1::Environment environment);

}  // namespace adv

#endif  // ADV_SERVER_EVALUATIONS_EVALUATION_REPORT_H_
