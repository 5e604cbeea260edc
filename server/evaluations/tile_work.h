#ifndef ADV_SERVER_EVALUATIONS_TILE_WORK_H_
#define ADV_SERVER_EVALUATIONS_TILE_WORK_H_

#include <absl/status/statusor.h>

#include <atomic>
#include <cstdint>
#include <vector>

#include "engine/evaluation/records.h"
#include "server/compute/executor.h"
#include "server/evaluations/resolved_evaluation.h"

namespace adv {

// What the tiles of one run cost, counted as they go.
struct TileCosts {
  std::atomic<int64_t> passes{0};  // since the run began
  // Images sent to endpoints that the store does not know of yet.
  std::atomic<int64_t> new_queries{0};
};

// The computing of one tile, whoever schedules it: the records of the images at
// `indices`, in that order. Adds to `costs` also what a tile that fails has
// cost. Runs on an executor's thread; the error is that of a network or of
// `before_pass`.
absl::StatusOr<std::vector<SampleRecord>> ComputeTile(
    const ResolvedEvaluation& evaluation, const std::vector<int64_t>& indices,
    const BeforePass& before_pass, TileCosts& costs);

}  // namespace adv

#endif  // ADV_SERVER_EVALUATIONS_TILE_WORK_H_
