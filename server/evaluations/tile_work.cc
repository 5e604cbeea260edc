#include "server/evaluations/tile_work.h"

#include <memory>
#include <utility>

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
      last_stored_(clock->Now()) {}

absl::StatusOr<std::vector<SampleRecord>> TileWork::Compute(
    const TileIndices& tile, UnfinishedRecords known,
    const BeforePass& before_pass, const Storing& store) {
  BeginTile();
  auto records = Attack(tile, std::move(known), before_pass);
  absl::Status status = records.status();
  if (status.ok()) status = Store(store, *records);
  EndTile();
  if (!status.ok()) return status;
  return records;
}

absl::StatusOr<std::vector<SampleRecord>> TileWork::Attack(
    const TileIndices& tile, UnfinishedRecords known,
    const BeforePass& before_pass) {
  const Asker asker{&new_queries_, cancel_};
  const NetworkOf target(*evaluation_.model, asker, &cost_);
  const NetworkOf source(*evaluation_.source_model, asker, &cost_);
  // An attack takes two networks for a transfer, even two wrappers of one
  // model: without a transfer it gets one wrapper twice.
  const bool transfer = evaluation_.source_model != evaluation_.model;
  TileOptions options;
  if (transfer) options.craft_once = crafted_.ForTile(evaluation_, tile);
  options.known = std::move(known);
  options.on_results = [this, kept = clock_.Now()](
                           const UnfinishedRecords& records) mutable {
    const bool whole = records.front().attacks.size() == evaluation_.results();
    if (whole || clock_.Now() - kept < kWorkWorthKeeping) {
      return absl::OkStatus();
    }
    kept = clock_.Now();
    return Keep(records);
  };
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
      std::move(options));
}

absl::Status TileWork::Keep(const std::vector<SampleRecord>& unfinished) {
  absl::Status status = Store(
      [this](const auto& records, const Effort& effort) {
        return store_.Keep(id_, records, effort);
      },
      unfinished);
  // What is not kept may have to be made again; that is no reason to stop.
  return absl::IsUnavailable(status) ? absl::OkStatus() : status;
}

absl::Status TileWork::Store(const Storing& store,
                             const std::vector<SampleRecord>& records) {
  std::vector<v1::EvaluationRecord> encoded;
  encoded.reserve(records.size());
  for (const SampleRecord& record : records) {
    encoded.push_back(EncodeRecord(record));
  }
  const double seconds = SecondsSinceLastStored();
  // Whoever takes the queries out of the counter stores them, so that tiles
  // that end at the same time do not store them twice.
  const int64_t queries = new_queries_.exchange(0);
  absl::Status status = store(encoded, {seconds, queries});
  // They go with the next records: the images were sent, whatever the disk
  // says.
  if (!status.ok()) new_queries_ += queries;
  return status;
}

void TileWork::BeginTile() {
  MutexLock lock(mutex_);
  if (computing_++ == 0) last_stored_ = clock_.Now();
}

void TileWork::EndTile() {
  MutexLock lock(mutex_);
  --computing_;
}

double TileWork::SecondsSinceLastStored() {
  // Tiles overlap: the time between two transactions, not each tile's own
  // duration, adds up to the time that the evaluation took.
  MutexLock lock(mutex_);
  const Clock::Time now = clock_.Now();
  return Seconds(now - std::exchange(last_stored_, now));
}

void TileWork::StoreLostQueries() {
  const int64_t queries = new_queries_.exchange(0);
  // An empty tile, whose only content is what it cost.
  if (queries > 0) store_.Append(id_, {}, {0, queries}).IgnoreError();
}

}  // namespace adv
