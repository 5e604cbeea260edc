#include "server/evaluations/crafted_tiles.h"

#include <ATen/ATen.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <utility>

namespace adv {
namespace {

// All that decides what is crafted for the tile, but for its targets.
std::string TileKey(const ResolvedEvaluation& evaluation,
                    const TileIndices& tile) {
  v1::ResolvedSpec resolved = evaluation.resolved;
  resolved.clear_model();
  resolved.mutable_spec()->clear_model();
  // Another name of the same source, whose digest remains.
  resolved.mutable_spec()->clear_source_model();
  // Source and labels come in the attacked model's order of the classes.
  return absl::StrCat(EvaluationId(resolved), "\n",
                      absl::StrJoin(evaluation.dataset->class_names, "\n"),
                      "\n", absl::StrJoin(tile, ","), "\n");
}

Crafted OnCpu(Crafted crafted) {
  for (AttackResult& result : crafted) {
    result = MovedTo(at::kCPU, std::move(result));
  }
  return crafted;
}

// The images are nearly all of it.
int64_t BytesOf(const Crafted& crafted) {
  int64_t bytes = 0;
  for (const AttackResult& result : crafted) {
    bytes += static_cast<int64_t>(result.images.nbytes());
  }
  return bytes;
}

}  // namespace

CraftOnce CraftedTiles::ForTile(const ResolvedEvaluation& evaluation,
                                const TileIndices& tile) {
  return [this, tile_key = TileKey(evaluation, tile)](
             const std::string& key,
             const std::function<absl::StatusOr<Crafted>()>& craft) {
    return FindOrCraft(tile_key + key, craft);
  };
}

absl::StatusOr<Crafted> CraftedTiles::FindOrCraft(
    const std::string& key,
    const std::function<absl::StatusOr<Crafted>()>& craft) {
  {
    MutexLock lock(mutex_);
    const auto found = places_.find(key);
    if (found != places_.end()) {
      entries_.splice(entries_.begin(), entries_, found->second);
      return found->second->crafted;
    }
  }
  absl::StatusOr<Crafted> crafted = craft();
  if (crafted.ok()) Keep({key, OnCpu(*crafted), BytesOf(*crafted)});
  return crafted;
}

void CraftedTiles::Keep(Entry entry) {
  if (entry.bytes > limit_) return;
  MutexLock lock(mutex_);
  if (places_.count(entry.key) > 0) return;
  bytes_ += entry.bytes;
  entries_.push_front(std::move(entry));
  places_[entries_.front().key] = entries_.begin();
  while (bytes_ > limit_) {
    bytes_ -= entries_.back().bytes;
    places_.erase(entries_.back().key);
    entries_.pop_back();
  }
}

}  // namespace adv
