#ifndef ADV_SERVER_EVALUATIONS_EVALUATION_RUN_H_
#define ADV_SERVER_EVALUATIONS_EVALUATION_RUN_H_

#include <absl/status/status.h>
#include <google/protobuf/timestamp.pb.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "adv/v1/evaluation.pb.h"
#include "engine/evaluation/records.h"
#include "server/compute/cancel_token.h"
#include "server/compute/clock.h"
#include "server/compute/executor.h"
#include "server/compute/mutex.h"
#include "server/compute/speeds.h"
#include "server/evaluations/crafted_tiles.h"
#include "server/evaluations/evaluation_audience.h"
#include "server/evaluations/evaluation_progress.h"
#include "server/evaluations/evaluation_store.h"
#include "server/evaluations/resolved_evaluation.h"
#include "server/evaluations/resume.h"
#include "server/evaluations/subscription.h"
#include "server/evaluations/tile_queue.h"
#include "server/evaluations/tile_schedule.h"
#include "server/evaluations/tile_work.h"

namespace adv {

// The error of evaluations that the server's end cut off.
inline constexpr char kServerStopped[] = "server stopped";

// Writes why an evaluation ended without a report: CANCELLED if it was
// cancelled or the server stopped (UNAVAILABLE), FAILED otherwise. This is what
// listeners hear; the store keeps one that the server's end cut off as QUEUED.
void SetEarlyEnd(const absl::Status& outcome, v1::Evaluation* evaluation);

// The date in whole milliseconds, as stores keep it. With more, an evaluation
// would have another date before it is stored than after.
google::protobuf::Timestamp DateOf(const Clock& clock);

// What is asked of an evaluation has to wait until its running tiles are over:
// ABORTED.
absl::Status JustEnding(const std::string& id);

// One evaluation that runs, from its first tile to its report. Ties the
// schedule, the work, the count and the audience together. Knows nothing of
// the other runs, nor of the executor that calls it.
//
// A shared run takes part in an evaluation that other servers work on as well:
// a queue says which tile it may compute, and others may finish the rest.
//
// Thread-safe. May outlive what it does not own once no tile runs.
class EvaluationRun {
 public:
  // `state`: as the store has it, QUEUED. `before`: what the store has of its
  // records, whole and unfinished. At most `at_once` tiles (at least 1) are
  // computed at the same time, each at `speed`, as far as it is known. The
  // pointers are not owned. `shared_images`: images of each tile in the store's
  // queue; 0 for a run that is not shared.
  EvaluationRun(v1::Evaluation state, ResolvedEvaluation evaluation,
                StoredProgress before, int at_once, Speed speed,
                CraftedTiles* crafted, EvaluationStore* store, Clock* clock,
                int64_t shared_images = 0);
  EvaluationRun(const EvaluationRun&) = delete;
  EvaluationRun& operator=(const EvaluationRun&) = delete;

  const std::string& id() const { return id_; }
  const ResolvedEvaluation& evaluation() const { return evaluation_; }
  EvaluationAudience& audience() { return audience_; }
  // It goes on when all listeners have left, from now on. False if it would
  // have done so before.
  bool OutliveListeners() ADV_EXCLUDES(mutex_);

  // As TileSchedule's, but for the job that computes the tile.
  std::optional<size_t> NextTile() ADV_EXCLUDES(mutex_);
  // Fills in cost, token and model.
  void Describe(size_t tile, JobOptions* job) const;
  // Computes a tile that NextTile gave, stores it and tells the audience. The
  // tile that completes the records makes the report as well.
  absl::Status ComputeTile(size_t tile, const BeforePass& before_pass,
                           const v1::Environment& environment)
      ADV_EXCLUDES(mutex_);

  // Of a shared run, in place of NextTile and ComputeTile. Whether it may take
  // another tile from the queue; FinishTile gives up the place.
  bool TakePlace() ADV_EXCLUDES(mutex_);
  // Computes a tile that the queue gave. While the database is away it waits
  // with what it has. A tile that is another server's by then is dropped.
  absl::Status ComputeTaken(const TakenTile& taken,
                            const BeforePass& before_pass,
                            const v1::Environment& environment)
      ADV_EXCLUDES(mutex_);
  // Counts the tiles that others have done since the last time, and tells the
  // audience.
  absl::Status CountOthers() ADV_EXCLUDES(mutex_);
  // It ended as `evaluation` says, by another server.
  void EndElsewhere(const v1::Evaluation& evaluation) ADV_EXCLUDES(mutex_);
  bool ended_elsewhere() const ADV_EXCLUDES(mutex_);

  // A tile that NextTile gave is over. After a failure the others are
  // cancelled.
  void FinishTile(const absl::Status& status) ADV_EXCLUDES(mutex_);
  // As TileSchedule's: true only once.
  bool TakeEnd() ADV_EXCLUDES(mutex_);

  // No tile begins from now on. Those that run may finish.
  void EndEarly(const absl::Status& reason) ADV_EXCLUDES(mutex_);
  // Besides, the tiles that run end before their next pass.
  void Cancel() ADV_EXCLUDES(mutex_);
  bool ends_early() const ADV_EXCLUDES(mutex_);

  // The evaluation as others see it while it runs: never SUCCEEDED, and
  // CANCELLED when it ends early.
  v1::Evaluation Snapshot() const ADV_EXCLUDES(mutex_);
  // How it ended, with the report if there is one. After TakeEnd. Stores what
  // tiles that failed cost.
  EvaluationEnd End(const google::protobuf::Timestamp& now)
      ADV_EXCLUDES(mutex_);

  v1::EvaluationProgress Progress() const ADV_EXCLUDES(mutex_);
  void SendProgress() ADV_EXCLUDES(mutex_);
  // Images computed by this run.
  int64_t images() const ADV_EXCLUDES(mutex_);

 private:
  void SetRunning() ADV_EXCLUDES(mutex_);
  void Count(const std::vector<SampleRecord>& records) ADV_EXCLUDES(mutex_);
  // False if the tile is counted already.
  bool CountTile(size_t tile, const std::vector<SampleRecord>& records)
      ADV_EXCLUDES(mutex_);
  absl::Status ComputeRecords(const TakenTile& taken,
                              const BeforePass& before_pass)
      ADV_EXCLUDES(mutex_);
  absl::Status StoreReport(const v1::Environment& environment)
      ADV_EXCLUDES(mutex_);
  // Calls again while the database is away, until the run ends early.
  absl::Status Insist(const std::function<absl::Status()>& call)
      ADV_EXCLUDES(mutex_);
  WorkSoFar Work() const;
  // What `unfinished` tells of the images of the tile; empty: nothing.
  UnfinishedRecords KnownOf(
      size_t tile, const std::map<int64_t, SampleRecord>& unfinished) const;
  // What is left to compute of it, in cost.h's unit.
  int64_t CostOf(size_t tile) const;
  // True once: for the tile that completes the records.
  bool TakeReport() ADV_EXCLUDES(mutex_);

  const std::string id_;
  const ResolvedEvaluation evaluation_;
  const int64_t cost_per_image_;
  // Records that have a beginning of their attacks.
  const std::map<int64_t, SampleRecord> unfinished_;
  // Of the samples without records. As much is known of each image of a tile.
  // One empty tile if only the report is missing.
  const std::vector<TileIndices> tiles_;
  // When it began: while a tile is computed, other jobs would not tell more.
  const Speed speed_;
  const int at_once_;
  const CancelToken cancel_;
  EvaluationStore& store_;
  Clock& clock_;
  TileWork work_;
  EvaluationAudience audience_;

  // Never held while the store or a listener is called.
  mutable Mutex mutex_;
  v1::Evaluation state_ ADV_GUARDED_BY(mutex_);  // without its report
  TileSchedule schedule_ ADV_GUARDED_BY(mutex_);
  ProgressCount count_ ADV_GUARDED_BY(mutex_);
  CondVar ends_early_;
  std::vector<bool> counted_ ADV_GUARDED_BY(mutex_);  // shared: by tile
  int64_t others_samples_ ADV_GUARDED_BY(mutex_) = 0;
  std::optional<v1::Evaluation> elsewhere_ ADV_GUARDED_BY(mutex_);
  bool report_taken_ ADV_GUARDED_BY(mutex_) = false;
  std::optional<v1::EvaluationReport> report_ ADV_GUARDED_BY(mutex_);
};

}  // namespace adv

#endif  // ADV_SERVER_EVALUATIONS_EVALUATION_RUN_H_
