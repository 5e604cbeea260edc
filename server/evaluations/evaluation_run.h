#ifndef ADV_SERVER_EVALUATIONS_EVALUATION_RUN_H_
#define ADV_SERVER_EVALUATIONS_EVALUATION_RUN_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "adv/v1/evaluation.pb.h"
#include "engine/evaluation/records.h"
#include "server/compute/cancel_token.h"
#include "server/compute/clock.h"
#include "server/compute/mutex.h"
#include "server/evaluations/evaluation_store.h"
#include "server/evaluations/resolved_evaluation.h"
#include "server/evaluations/subscription.h"
#include "server/evaluations/tile_work.h"

// The inside of EvaluationRunner.
namespace adv {

// What progress tells, counted as records come.
struct EvaluationTally {
  int64_t samples = 0;
  int64_t clean_right = 0;
  std::vector<int64_t> robust;  // by attack and epsilon: right and still right

  void Add(const SampleRecord& record);
};

// An evaluation that runs.
struct EvaluationRun {
  const std::string id;
  const ResolvedEvaluation evaluation;
  const int64_t cost_per_image;
  const CancelToken cancel;
  // Of the samples without records. One empty tile if only the report is
  // missing.
  std::vector<std::vector<int64_t>> tiles;

  TileCosts costs;

  // The rest but for the last two is guarded by EvaluationRunner::mutex_.
  v1::Evaluation state;  // without its report
  size_t next_tile = 0;
  int tiles_in_flight = 0;
  absl::Status outcome;  // the first reason to end early
  bool ending = false;
  bool goes_on_when_left = false;  // somebody wants that
  bool report_begun = false;
  std::optional<v1::EvaluationReport> report;
  EvaluationTally tally;
  int64_t samples_before = 0;  // that were stored when this run began
  Clock::Time started;
  Clock::Time last_commit;
  std::vector<std::shared_ptr<EvaluationChannel>> listeners;

  // One event at a time, in order, and none after the last. Taken before
  // EvaluationRunner::mutex_.
  Mutex event_mutex;
  bool last_event_sent ADV_GUARDED_BY(event_mutex) = false;

  EvaluationRun(std::string run_id, ResolvedEvaluation resolved);

  bool has_all_records() const {
    return tally.samples == static_cast<int64_t>(evaluation.indices.size());
  }
};

// Those of `indices` that are not in `done`, in order, at most `tile_size` in
// each tile; in smaller tiles if that gives work to more of `at_once` jobs, but
// none so small that a pass over it is a waste.
std::vector<std::vector<int64_t>> RemainingTiles(
    const std::vector<int64_t>& indices, int64_t tile_size, int at_once,
    const std::set<int64_t>& done);

v1::EvaluationProgress ProgressOf(const EvaluationRun& run, Clock::Time now);

// From the bytes of all records, in index order, and what they cost.
absl::StatusOr<v1::EvaluationReport> ReportOf(
    const ResolvedEvaluation& evaluation,
    const std::vector<std::string>& records, v1::Environment environment,
    const Effort& spent);

}  // namespace adv

#endif  // ADV_SERVER_EVALUATIONS_EVALUATION_RUN_H_
