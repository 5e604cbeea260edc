#ifndef ADV_SERVER_WIRE_RESOLVE_EVALUATION_H_
#define ADV_SERVER_WIRE_RESOLVE_EVALUATION_H_

#include <absl/status/statusor.h>

#include "adv/v1/evaluation.pb.h"
#include "server/evaluations/resolved_evaluation.h"
#include "server/limits.h"
#include "server/models/dataset_registry.h"
#include "server/models/model_registry.h"

namespace adv {

// Finds what the specification names and fills in every default. Errors name
// the fields of `spec`; they are for the wire.
absl::StatusOr<ResolvedEvaluation> ResolveEvaluation(
    const v1::EvaluationSpec& spec, ModelRegistry& models,
    const DatasetRegistry& datasets, const Limits& limits);

}  // namespace adv

#endif  // ADV_SERVER_WIRE_RESOLVE_EVALUATION_H_
