#include "server/evaluations/tile_schedule.h"

#include <algorithm>

namespace adv {

std::vector<TileIndices> SplitIntoTiles(const TileIndices& indices,
                                        int64_t tile_size, int at_once) {
  // Below this many images the fixed cost of a pass outweighs what another
  // thread gains.
  constexpr int64_t kLeast = 8;
  const auto count = static_cast<int64_t>(indices.size());
  // An equal share for each job, so that all have work.
  const int64_t share = (count + at_once - 1) / at_once;
  const int64_t size = std::min(tile_size, std::max(share, kLeast));
  std::vector<TileIndices> tiles;
  for (int64_t begin = 0; begin < count; begin += size) {
    tiles.emplace_back(indices.begin() + begin,
                       indices.begin() + std::min(begin + size, count));
  }
  return tiles;
}

TileSchedule::TileSchedule(size_t tiles, int at_once)
    : tiles_(tiles), at_once_(at_once) {}

std::optional<size_t> TileSchedule::Next() {
  if (exhausted() || running_ >= at_once_) return std::nullopt;
  ++running_;
  return next_++;
}

bool TileSchedule::TakePlace() {
  if (exhausted() || running_ >= at_once_) return false;
  ++running_;
  return true;
}

void TileSchedule::Finish(const absl::Status& status) {
  --running_;
  if (!status.ok()) EndEarly(status);
}

void TileSchedule::EndEarly(const absl::Status& reason) {
  // Tiles that are stopped because of the first reason fail with CANCELLED:
  // that must not hide the reason.
  if (outcome_.ok()) outcome_ = reason;
}

bool TileSchedule::TakeEnd() {
  if (end_taken_ || running_ > 0 || !exhausted()) return false;
  end_taken_ = true;
  return true;
}

}  // namespace adv
