#ifndef ADV_SERVER_EVALUATIONS_TILE_SCHEDULE_H_
#define ADV_SERVER_EVALUATIONS_TILE_SCHEDULE_H_

#include <absl/status/status.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace adv {

// Dataset indices of the images that are attacked together.
using TileIndices = std::vector<int64_t>;

// The tiles of the `indices`, in order. A tile holds at most `tile_size`
// indices. Tiles are smaller if that gives work to more of `at_once` jobs, but
// no smaller than a pass is worth.
std::vector<TileIndices> SplitIntoTiles(const TileIndices& indices,
                                        int64_t tile_size, int at_once);

// Decides which tile is computed next and when the last one is over. Knows
// tiles by their numbers alone, not what they hold or where they are computed.
//
// Not thread-safe.
class TileSchedule {
 public:
  // At most `at_once` (at least 1) of the `tiles` run at the same time.
  TileSchedule(size_t tiles, int at_once);

  // The number of the tile to compute now, in order. It runs until Finish is
  // called for it. None if `at_once` tiles run, if no tile is left, or if the
  // schedule ended early.
  std::optional<size_t> Next();
  // The same for a tile that somebody else chose: false if none may run now.
  bool TakePlace();
  // A tile that Next gave, or that took a place, is over. A failure ends the
  // schedule early.
  void Finish(const absl::Status& status);
  // Gives no tile from now on; those that run may go on. `reason` is not OK.
  // Only the first reason counts.
  void EndEarly(const absl::Status& reason);

  // No tile is left, as if Next had given all.
  void Complete() { next_ = tiles_; }

  // Whether all is over: no tile runs and none will. True only once, so that
  // one caller alone ends the evaluation.
  bool TakeEnd();

  // OK, or why the schedule ended early.
  const absl::Status& outcome() const { return outcome_; }

 private:
  bool exhausted() const { return !outcome_.ok() || next_ == tiles_; }

  const size_t tiles_;
  const int at_once_;
  size_t next_ = 0;
  int running_ = 0;
  absl::Status outcome_;
  bool end_taken_ = false;
};

}  // namespace adv

#endif  // ADV_SERVER_EVALUATIONS_TILE_SCHEDULE_H_
