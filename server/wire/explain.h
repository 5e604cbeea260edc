#ifndef ADV_SERVER_WIRE_EXPLAIN_H_
#define ADV_SERVER_WIRE_EXPLAIN_H_

#include <absl/status/status.h>
#include <absl/strings/string_view.h>

#include "server/compute/executor.h"

namespace adv {

// What the errors of registries, executor and stores mean to a caller: each
// gets its reason and details. `field` is where the request names the thing;
// statuses that already have a reason, and codes without a special meaning
// here, pass unchanged.

// Of ModelRegistry::Borrow and Get.
absl::Status ExplainModel(const absl::Status& status, absl::string_view model,
                          absl::string_view field);

// Of DatasetRegistry::Find.
absl::Status ExplainDataset(const absl::Status& status,
                            absl::string_view dataset);

// Of Executor::Submit.
absl::Status ExplainJob(const absl::Status& status, const Executor& executor,
                        Lane lane);

// Of EvaluationRunner::Start. `full` says whether as many evaluations run as
// may.
absl::Status ExplainEvaluation(const absl::Status& status, bool full);

// What the streams of an evaluation that failed with `outcome` end with.
absl::Status FailedEvaluation(const absl::Status& outcome,
                              absl::string_view id);

// Of EvaluationStore::ResolveId and what follows from it.
absl::Status ExplainEvaluationId(const absl::Status& status,
                                 absl::string_view id);

// Of a page token.
absl::Status ExplainPageToken(const absl::Status& status);

// A worker's queue is full. `what` is what its calls wait for.
absl::Status TooManyCalls(absl::string_view what);

}  // namespace adv

#endif  // ADV_SERVER_WIRE_EXPLAIN_H_
