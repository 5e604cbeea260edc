#ifndef ADV_SERVER_EVALUATIONS_STORED_RUN_H_
#define ADV_SERVER_EVALUATIONS_STORED_RUN_H_

#include <absl/status/statusor.h>
#include <google/protobuf/timestamp.pb.h>

#include <cstdint>
#include <set>
#include <vector>

#include "adv/v1/evaluation.pb.h"
#include "engine/evaluation/records.h"
#include "server/evaluations/evaluation_run.h"
#include "server/evaluations/evaluation_store.h"

// The way of a run into the evaluation store and back. Errors are the store's.
// Nothing here takes a lock: the caller holds the run.
namespace adv {

// Enters the run as QUEUED: a new evaluation, created at `now`, or one that was
// interrupted. Sets run.state.
absl::Status EnterRun(EvaluationStore& store,
                      const google::protobuf::Timestamp& now,
                      EvaluationRun& run);

// Adds the records that are stored to run.tally; their indices.
absl::StatusOr<std::set<int64_t>> LoadRecords(const EvaluationStore& store,
                                              EvaluationRun& run);

// Stores the records of one tile, which took `seconds`, and the queries that
// the store does not know of yet.
absl::Status StoreRecords(EvaluationStore& store,
                          const std::vector<SampleRecord>& records,
                          double seconds, EvaluationRun& run);

// Of all its records.
absl::StatusOr<v1::EvaluationReport> MakeReport(
    const EvaluationStore& store, const EvaluationRun& run,
    const v1::Environment& environment);

}  // namespace adv

#endif  // ADV_SERVER_EVALUATIONS_STORED_RUN_H_
