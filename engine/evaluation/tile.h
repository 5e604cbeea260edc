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
};

// Called when one attack at one epsilon is done. `records` are those of the
// tile's images.
using OnAttackResult = std::function<void(const AttackResult& result,
                                          std::vector<AttackRecord> records)>;

// Runs every attack at every epsilon of `options`, in order. Afterwards the
// batch has its targets and its clean logits. `source` gives the gradients;
// the rest is as Attack::Run says.
absl::Status AttackTile(const Network& network, const Network& source,
                        const std::vector<AttackConfig>& attacks,
                        const RunOptions& options, Tile& tile,
                        const OnAttackResult& on_result);

}  // namespace adv

#endif  // ADV_ENGINE_EVALUATION_TILE_H_
