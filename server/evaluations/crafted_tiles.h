#ifndef ADV_SERVER_EVALUATIONS_CRAFTED_TILES_H_
#define ADV_SERVER_EVALUATIONS_CRAFTED_TILES_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <list>
#include <string>
#include <unordered_map>

#include "engine/evaluation/tile.h"
#include "server/compute/mutex.h"
#include "server/evaluations/resolved_evaluation.h"
#include "server/evaluations/tile_schedule.h"

namespace adv {

// Remembers what transfers crafted, so that evaluations of one source that
// differ in the attacked model alone craft once. Of what does not fit, the
// longest unused is forgotten.
//
// Thread-safe. Two tiles that ask for the same at once both craft it.
class CraftedTiles {
 public:
  // `bytes`: the most that is kept, in memory.
  explicit CraftedTiles(int64_t bytes) : limit_(bytes) {}

  // For the tile of these samples. To be called while this object lives.
  CraftOnce ForTile(const ResolvedEvaluation& evaluation,
                    const TileIndices& tile);

 private:
  struct Entry {
    std::string key;
    Crafted crafted;  // on the CPU
    int64_t bytes;
  };

  absl::StatusOr<Crafted> FindOrCraft(
      const std::string& key,
      const std::function<absl::StatusOr<Crafted>()>& craft)
      ADV_EXCLUDES(mutex_);
  void Keep(Entry entry) ADV_EXCLUDES(mutex_);

  const int64_t limit_;
  Mutex mutex_;
  std::list<Entry> entries_ ADV_GUARDED_BY(mutex_);  // the last used first
  std::unordered_map<std::string, std::list<Entry>::iterator> places_
      ADV_GUARDED_BY(mutex_);
  int64_t bytes_ ADV_GUARDED_BY(mutex_) = 0;
};

}  // namespace adv

#endif  // ADV_SERVER_EVALUATIONS_CRAFTED_TILES_H_
