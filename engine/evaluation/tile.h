#ifndef ADV_ENGINE_EVALUATION_TILE_H_
#define ADV_ENGINE_EVALUATION_TILE_H_

#include <absl/status/status.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/attacks/attack.h"
#include "engine/attacks/attack_config.h"
#include "engine/attacks/attack_run.h"
#include "engine/attacks/threat_model.h"
#include "engine/data/dataset.h"
#include "engine/evaluation/records.h"
#include "engine/nn/network.h"

namespace adv {

// What Attack::Craft gave: a result for each epsilon.
using Crafted = std::vector<AttackResult>;

// Gives what `craft` once gave for the same `key`, or else calls it. The key
// tells apart whatever one tile needs: its attacks, and the targets that each
// attacked model sets. What else it depends on (source, images, options) is for
// the giver to tell apart.
using CraftOnce = std::function<absl::StatusOr<Crafted>(
    const std::string& key,
    const std::function<absl::StatusOr<Crafted>()>& craft)>;

// Images that are attacked together.
struct Tile {
  // Images, labels and samples, and targets and clean logits if they are known.
  AttackBatch batch;
  // The number of images. Later rows of `batch` are padding.
  int64_t count = 0;
  // Gives the examples at which some targeted attacks start. Null: there are
  // none, and these attacks start from noise.
  const Dataset* dataset = nullptr;
  Goal goal;
  // Lets a transfer to several models craft once. Empty: it crafts each time.
  CraftOnce craft_once;
  // The number of results that are known already, in the order in which they
  // come; what would give these alone is not run.
  size_t known = 0;
};

// What one run of an attack gave at one epsilon.
struct EpsilonResult {
  AttackResult result;
  std::vector<AttackRecord> records;  // of the tile's images
};

// Called when a run is over, with its results that were not known, in the order
// of SampleRecord::attacks. A failure ends the tile with that status.
using OnAttackResults =
    std::function<absl::Status(std::vector<EpsilonResult> results)>;

// Runs every attack at every epsilon of `options`, in order: an attack that
// works at each epsilon apart in a run for each, any other in one run for all.
// Afterwards the batch has its targets and, if a run was needed, its clean
// logits. `source` gives the gradients; the rest is as Attack::Run says.
absl::Status AttackTile(const Network& network, const Network& source,
                        const std::vector<AttackConfig>& attacks,
                        const RunOptions& options, Tile& tile,
                        const OnAttackResults& on_results);

}  // namespace adv

#endif  // ADV_ENGINE_EVALUATION_TILE_H_
