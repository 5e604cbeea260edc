#ifndef ADV_SERVER_EVALUATIONS_RESUME_H_
#define ADV_SERVER_EVALUATIONS_RESUME_H_

#include <absl/status/statusor.h>
#include <google/protobuf/timestamp.pb.h>

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "adv/v1/evaluation.pb.h"
#include "engine/evaluation/records.h"
#include "server/evaluations/evaluation_progress.h"
#include "server/evaluations/evaluation_store.h"
#include "server/evaluations/resolved_evaluation.h"

namespace adv {

// How the store has an evaluation when a run of it begins.
struct StoredProgress {
  std::set<int64_t> done;  // dataset indices that have a record
  ProgressCount count;     // of these records; Begin is still to be called
  // Records that have a beginning of their attacks, by dataset index.
  std::map<int64_t, SampleRecord> unfinished;
};

// Enters the evaluation as QUEUED: creates it with the date `now`, or takes
// back its earlier end, and leaves its records. One that is QUEUED or RUNNING
// stays so. Returns it as it is stored.
absl::StatusOr<v1::Evaluation> EnterQueued(
    EvaluationStore& store, const std::string& id,
    const ResolvedEvaluation& evaluation, bool cancel_on_disconnect,
    const google::protobuf::Timestamp& now);

// The records that have a beginning of their attacks, by dataset index.
// Damaged ones are left out, so that they are made again.
absl::StatusOr<std::map<int64_t, SampleRecord>> ReadUnfinished(
    const EvaluationStore& store, const std::string& id,
    const ResolvedEvaluation& evaluation);

// DATA_LOSS if a record is damaged.
absl::StatusOr<StoredProgress> ReadProgress(
    const EvaluationStore& store, const std::string& id,
    const ResolvedEvaluation& evaluation);

}  // namespace adv

#endif  // ADV_SERVER_EVALUATIONS_RESUME_H_
