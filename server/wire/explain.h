#ifndef ADV_SERVER_WIRE_EXPLAIN_H_
#define ADV_SERVER_WIRE_EXPLAIN_H_

#include <absl/status/status.h>
#include <absl/strings/string_view.h>

#include "server/compute/executor.h"

namespace adv {

// Turn the errors of registries, executor and stores into errors for a caller,
// with reason and details. `field` is the place where the request names the
// thing. A status that already has a reason, or a code without a special
// meaning here, passes unchanged.

// For errors of ModelRegistry::Borrow and Get.
absl::Status ExplainModel(const absl::Status& status, absl::string_view model,
                          absl::string_view field);

// For errors of DatasetRegistry::Find.
absl::Status ExplainDataset(const absl::Status& status,
                            absl::string_view dataset);

// For errors of Executor::Submit.
absl::Status ExplainJob(const absl::Status& status, const Executor& executor,
                        Lane lane);

// For errors of EvaluationRunner::Start. `full`: whether the largest number of
// evaluations runs. `draining`: whether the server starts none any more.
absl::Status ExplainEvaluation(const absl::Status& status, bool full,
                               bool draining);

// The end of the streams of an evaluation that failed with `outcome`.
absl::Status FailedEvaluation(const absl::Status& outcome,
                              absl::string_view id);

// For errors of EvaluationStore::ResolveId and of the calls that use its id.
absl::Status ExplainEvaluationId(const absl::Status& status,
                                 absl::string_view id);

// For errors of a page token.
absl::Status ExplainPageToken(const absl::Status& status);

// The error for a worker's full queue. `what` names the thing that its calls
// wait for.
absl::Status TooManyCalls(absl::string_view what);

}  // namespace adv

#endif  // ADV_SERVER_WIRE_EXPLAIN_H_
