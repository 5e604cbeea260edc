#ifndef ADV_SERVER_EVALUATIONS_TILE_WORK_H_
#define ADV_SERVER_EVALUATIONS_TILE_WORK_H_

#include <absl/status/statusor.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "adv/v1/evaluation.pb.h"
#include "engine/evaluation/evaluation.h"
#include "engine/evaluation/records.h"
#include "server/compute/cancel_token.h"
#include "server/compute/clock.h"
#include "server/compute/executor.h"
#include "server/compute/mutex.h"
#include "server/evaluations/crafted_tiles.h"
#include "server/evaluations/evaluation_store.h"
#include "server/evaluations/resolved_evaluation.h"
#include "server/evaluations/tile_schedule.h"

namespace adv {

// What a kill may cost of a tile: records of attacks that took longer are kept
// before the tile is done. Shorter work is not worth a transaction.
inline constexpr Clock::Duration kWorkWorthKeeping =
    std::chrono::milliseconds(250);

// Computes tiles of one evaluation and stores their records. Knows nothing of
// which tile comes when, nor of who listens.
//
// Thread-safe: several tiles may be computed at once.
class TileWork {
 public:
  // `id` is that of `evaluation` in `store`. The pointers are not owned and
  // must outlive the work. `cancel` ends waits for endpoints; passes are ended
  // by Compute's `before_pass`.
  TileWork(std::string id, const ResolvedEvaluation* evaluation,
           CancelToken cancel, CraftedTiles* crafted, EvaluationStore* store,
           const Clock* clock);

  // Stores the records of a tile in one transaction.
  using Storing = std::function<absl::Status(
      const std::vector<v1::EvaluationRecord>& records, const Effort& effort)>;

  // Attacks the images of `tile` (1 to plan.tile_size of them) and has `store`
  // store their records. `known` is TileOptions'. Returns the records, in the
  // order of `tile`. On failure the tile has no records; what was kept of them
  // meanwhile stays, and the queries that were sent are stored with the next
  // tile.
  absl::StatusOr<std::vector<SampleRecord>> Compute(
      const TileIndices& tile, UnfinishedRecords known,
      const BeforePass& before_pass, const Storing& store) ADV_EXCLUDES(mutex_);

  // Stores the queries of tiles that failed. To be called when no tile will
  // be computed any more. If the store cannot take them, they stay uncounted.
  void StoreLostQueries();

  // Since the work began.
  int64_t passes() const { return passes_; }
  // Of the passes that have ended, as cost.h counts it.
  int64_t cost() const { return cost_; }

 private:
  absl::StatusOr<std::vector<SampleRecord>> Attack(
      const TileIndices& tile, UnfinishedRecords known,
      const BeforePass& before_pass) ADV_EXCLUDES(mutex_);
  absl::Status Keep(const std::vector<SampleRecord>& unfinished)
      ADV_EXCLUDES(mutex_);
  absl::Status Store(const Storing& store,
                     const std::vector<SampleRecord>& records)
      ADV_EXCLUDES(mutex_);
  double SecondsSinceLastStored() ADV_EXCLUDES(mutex_);
  // While no tile is computed, time is not counted.
  void BeginTile() ADV_EXCLUDES(mutex_);
  void EndTile() ADV_EXCLUDES(mutex_);

  const std::string id_;
  const ResolvedEvaluation& evaluation_;
  const CancelToken cancel_;
  CraftedTiles& crafted_;
  EvaluationStore& store_;
  const Clock& clock_;
  std::atomic<int64_t> passes_{0};
  std::atomic<int64_t> cost_{0};
  // Images sent to endpoints that the store does not know of yet.
  std::atomic<int64_t> new_queries_{0};
  Mutex mutex_;
  int computing_ ADV_GUARDED_BY(mutex_) = 0;  // tiles
  // Or when the first of the tiles that are computed began.
  Clock::Time last_stored_ ADV_GUARDED_BY(mutex_);
};

}  // namespace adv

#endif  // ADV_SERVER_EVALUATIONS_TILE_WORK_H_
