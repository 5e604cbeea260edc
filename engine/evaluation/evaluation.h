#ifndef ADV_ENGINE_EVALUATION_EVALUATION_H_
#define ADV_ENGINE_EVALUATION_EVALUATION_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "engine/data/dataset.h"
#include "engine/evaluation/build_report.h"
#include "engine/evaluation/plan.h"
#include "engine/evaluation/records.h"
#include "engine/evaluation/report.h"
#include "engine/evaluation/tile.h"
#include "engine/nn/network.h"

namespace adv {

// Records of a tile whose attacks are a beginning of the plan's, as long for
// each image.
using UnfinishedRecords = std::vector<SampleRecord>;

// What the evaluation of a tile may be given.
struct TileOptions {
  // That of the tile.
  CraftOnce craft_once;
  // What is known of the images at `indices`, in that order; empty: nothing.
  // It is not computed again.
  UnfinishedRecords known;
  // Called whenever an attack has added to the records. A failure ends the tile
  // with that status. May be empty.
  std::function<absl::Status(const UnfinishedRecords& records)> on_results;
};

// Returns the records of the images at `indices` (1 to plan.tile_size of them),
// in that order. `before_pass` is that of RunOptions. `source` gives the
// gradients. INVALID_ARGUMENT if `known` is of other images or has more than
// the plan's results.
absl::StatusOr<std::vector<SampleRecord>> EvaluateTile(
    const Network& network, const Network& source, const Dataset& dataset,
    const std::vector<int64_t>& indices, const EvaluationPlan& plan,
    const std::function<absl::Status()>& before_pass,
    TileOptions tile_options = {});

// Evaluates all tiles and then makes the report. `progress` is called after
// each tile with all records so far. A status of `before_pass` that is not OK
// ends the evaluation with that status.
absl::StatusOr<EvaluationReport> Evaluate(
    const Network& network, const Network& source, const Dataset& dataset,
    const std::vector<int64_t>& indices, const EvaluationPlan& plan,
    const std::function<void(const std::vector<SampleRecord>&)>& progress,
    const std::function<absl::Status()>& before_pass);

}  // namespace adv

#endif  // ADV_ENGINE_EVALUATION_EVALUATION_H_
