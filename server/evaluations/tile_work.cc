#include "server/evaluations/tile_work.h"

#include <memory>
#include <utility>

#include "engine/evaluation/evaluation.h"
#include "server/codec/codec.h"
#include "server/evaluations/counting_network.h"

namespace adv {
namespace {

// A model's network; if it asks an endpoint, on behalf of `asker`. Its passes
// are added to `cost`.
class NetworkOf {
 public:
  NetworkOf(const ServedModel& model, const Asker& asker,
            std::atomic<int64_t>* cost)
      : own_(model.network_for ? model.network_for(asker) : nullptr),
        network_(own_ != nullptr ? *own_ : *model.network, cost) {}

  const Network& get() const { return network_; }

 private:
  const std::shared_ptr<const Network> own_;
  const CountingNetwork network_;
};

}  // namespace

TileWork::TileWork(std::string id, const ResolvedEvaluation* evaluation,
                   CancelToken cancel, CraftedTiles* crafted,
                   EvaluationStore* store, const Clock* clock)
    : id_(std::move(id)),
      evaluation_(*evaluation),
      cancel_(std::move(cancel)),
      crafted_(*crafted),
      store_(*store),
      clock_(*clock),
      last_tile_(clock->Now()) {}

absl::StatusOr<std::vector<SampleRecord>> TileWork::Compute(
    const TileIndices& tile, const BeforePass& before_pass) {
  auto records = Attack(tile, before_pass);
  if (!records.ok()) return records;
  if (absl::Status status = Store(*records); !status.ok()) return status;
  return records;
}

absl::StatusOr<std::vector<SampleRecord>> TileWork::Attack(
    const TileIndices& tile, const BeforePass& before_pass) {
  const Asker asker{&new_queries_, cancel_};
  const NetworkOf target(*evaluation_.model, asker, &cost_);
  const NetworkOf source(*evaluation_.source_model, asker, &cost_);
  // An attack takes two networks for a transfer, even two wrappers of one
  // model: without a transfer it gets one wrapper twice.
  const bool transfer = evaluation_.source_model != evaluation_.model;
  return EvaluateTile(
      target.get(), transfer ? source.get() : target.get(),
      *evaluation_.dataset, tile, evaluation_.plan,
      [this, &before_pass] {
        // Counted before the pass: a pass that is refused ends
        // the tile, so at most one for each tile is counted too
        // much.
        ++passes_;
        return before_pass();
      },
      {transfer ? crafted_.ForTile(evaluation_, tile) : nullptr, {}, nullptr});
}

absl::Status TileWork::Store(const std::vector<SampleRecord>& records) {
  std::vector<v1::EvaluationRecord> encoded;
  encoded.reserve(records.size());
  for (const SampleRecord& record : records) {
    encoded.push_back(EncodeRecord(record));
  }
  const double seconds = SecondsSinceLastTile();
  // Whoever takes the queries out of the counter stores them, so that tiles
  // that end at the same time do not store them twice.
  const int64_t queries = new_queries_.exchange(0);
  absl::Status status = store_.Append(id_, encoded, {seconds, queries});
  // They go with the next tile: the images were sent, whatever the disk says.
  if (!status.ok()) new_queries_ += queries;
  return status;
}

double TileWork::SecondsSinceLastTile() {
  // Tiles overlap: the time between two ends, not each tile's own duration,
  // adds up to the time that the evaluation took.
  MutexLock lock(mutex_);
  const Clock::Time now = clock_.Now();
  return Seconds(now - std::exchange(last_tile_, now));
}

void TileWork::StoreLostQueries() {
  const int64_t queries = new_queries_.exchange(0);
  // An empty tile, whose only content is what it cost.
  if (queries > 0) store_.Append(id_, {}, {0, queries}).IgnoreError();
}

}  // namespace adv
