#include "server/evaluations/evaluation_run.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "server/compute/cost.h"
#include "server/evaluations/evaluation_report.h"

namespace adv {
namespace {

// The tiles of the samples that have no record yet, at least one.
std::vector<TileIndices> TilesOf(const ResolvedEvaluation& evaluation,
                                 const StoredProgress& before, int at_once,
                                 int64_t shared_images) {
  // All servers split it the same way, whatever is done.
  if (shared_images > 0) {
    return SplitIntoTiles(evaluation.indices, shared_images, 1);
  }
  // Those of which as much is known go together, the most first.
  std::map<size_t, TileIndices, std::greater<>> by_known;
  for (const int64_t index : evaluation.indices) {
    if (before.done.count(index) > 0) continue;
    const auto found = before.unfinished.find(index);
    const size_t known =
        found == before.unfinished.end() ? 0 : found->second.attacks.size();
    by_known[known].push_back(index);
  }
  // Padded tiles cost a full tile whatever they hold: small ones gain nothing.
  if (evaluation.model->network->traits().padded()) at_once = 1;
  std::vector<TileIndices> tiles;
  for (const auto& [known, indices] : by_known) {
    for (TileIndices& tile :
         SplitIntoTiles(indices, evaluation.plan.tile_size, at_once)) {
      tiles.push_back(std::move(tile));
    }
  }
  // The report is made on the executor, even if it alone is missing.
  if (tiles.empty()) tiles.emplace_back();
  return tiles;
}

// How an evaluation ended that another server ended.
absl::Status OutcomeOf(const v1::Evaluation& ended) {
  if (ended.state() == v1::EVALUATION_STATE_SUCCEEDED) return absl::OkStatus();
  return ended.state() == v1::EVALUATION_STATE_CANCELLED
             ? absl::CancelledError(ended.error())
             : absl::InternalError(ended.error());
}

}  // namespace

absl::Status JustEnding(const std::string& id) {
  return absl::AbortedError(absl::StrCat(
      "evaluation \"", id, "\" is just ending: ask again in a moment"));
}

google::protobuf::Timestamp DateOf(const Clock& clock) {
  return google::protobuf::util::TimeUtil::MillisecondsToTimestamp(
      std::chrono::duration_cast<std::chrono::milliseconds>(
          clock.Date().time_since_epoch())
          .count());
}

void SetEarlyEnd(const absl::Status& outcome, v1::Evaluation* evaluation) {
  const bool stopped = absl::IsUnavailable(outcome);
  evaluation->set_state(stopped || absl::IsCancelled(outcome)
                            ? v1::EVALUATION_STATE_CANCELLED
                            : v1::EVALUATION_STATE_FAILED);
  evaluation->set_error(stopped ? kServerStopped
                                : std::string(outcome.message()));
}

EvaluationRun::EvaluationRun(v1::Evaluation state,
                             ResolvedEvaluation evaluation,
                             StoredProgress before, int at_once, Speed speed,
                             CraftedTiles* crafted, EvaluationStore* store,
                             Clock* clock, int64_t shared_images)
    // The members take from `state` and `before` what they need before these
    // are moved away. Members are made in the order of their declaration.
    : id_(state.id()),
      evaluation_(std::move(evaluation)),
      cost_per_image_(EvaluationCost(
          evaluation_.plan, evaluation_.model->network->traits().classes)),
      unfinished_(before.unfinished),
      tiles_(TilesOf(evaluation_, before, at_once, shared_images)),
      speed_(speed),
      // There may be fewer tiles than threads.
      at_once_(std::min(at_once, static_cast<int>(tiles_.size()))),
      store_(*store),
      clock_(*clock),
      work_(id_, &evaluation_, cancel_, crafted, store, clock),
      state_(std::move(state)),
      schedule_(tiles_.size(), at_once),
      count_(std::move(before.count)) {
  count_.Begin(clock->Now());
  if (shared_images == 0) return;
  for (const TileIndices& tile : tiles_) {
    counted_.push_back(before.done.count(tile.front()) > 0);
  }
}

std::optional<size_t> EvaluationRun::NextTile() {
  MutexLock lock(mutex_);
  return schedule_.Next();
}

void EvaluationRun::Describe(size_t tile, JobOptions* job) const {
  // The empty tile of a report that is missing costs 0, which the executor
  // makes 1.
  job->cost = CostOf(tile);
  job->cancel = cancel_;
  job->model = evaluation_.model->full_name();
  job->identity = evaluation_.identity;
}

absl::Status EvaluationRun::ComputeTile(size_t tile,
                                        const BeforePass& before_pass,
                                        const v1::Environment& environment) {
  SetRunning();
  if (!tiles_[tile].empty()) {
    const auto records =
        work_.Compute(tiles_[tile], KnownOf(tile, unfinished_), before_pass,
                      [this](const auto& encoded, const Effort& effort) {
                        return store_.Append(id_, encoded, effort);
                      });
    if (!records.ok()) return records.status();
    // An image counts once the store has its record, so nothing is told that a
    // kill could take back.
    Count(*records);
    SendProgress();
  }
  // The report is made outside the lock: it reads all records.
  if (!TakeReport()) return absl::OkStatus();
  auto report = MakeReport(store_, id_, evaluation_, environment);
  if (!report.ok()) return report.status();
  MutexLock lock(mutex_);
  report_ = *std::move(report);
  return absl::OkStatus();
}

void EvaluationRun::FinishTile(const absl::Status& status) {
  MutexLock lock(mutex_);
  // The schedule keeps the reason before the others fail with CANCELLED.
  schedule_.Finish(status);
  if (status.ok()) return;
  cancel_.Cancel();  // the other tiles need not finish
  ends_early_.NotifyAll();
}

bool EvaluationRun::TakeEnd() {
  MutexLock lock(mutex_);
  return schedule_.TakeEnd();
}

void EvaluationRun::EndEarly(const absl::Status& reason) {
  MutexLock lock(mutex_);
  schedule_.EndEarly(reason);
  ends_early_.NotifyAll();
}

void EvaluationRun::Cancel() {
  // The reason comes first, so that it is there before a tile fails by it.
  EndEarly(absl::CancelledError("cancelled"));
  cancel_.Cancel();
}

bool EvaluationRun::ends_early() const {
  MutexLock lock(mutex_);
  return !schedule_.outcome().ok();
}

v1::Evaluation EvaluationRun::Snapshot() const {
  MutexLock lock(mutex_);
  v1::Evaluation seen = state_;
  seen.set_samples_done(count_.samples());
  // Once the report is there, it is too late to cancel.
  if (!schedule_.outcome().ok() && !report_) {
    seen.set_state(v1::EVALUATION_STATE_CANCELLED);
  }
  return seen;
}

EvaluationEnd EvaluationRun::End(const google::protobuf::Timestamp& now) {
  // What was sent for tiles that failed was sent all the same.
  work_.StoreLostQueries();
  MutexLock lock(mutex_);
  if (elsewhere_) return {*elsewhere_, OutcomeOf(*elsewhere_)};
  // `state_` stays as it is: others learn of the end once it is stored.
  EvaluationEnd end{state_, absl::OkStatus()};
  // A report wins over a cancellation that came too late to stop it.
  if (report_) {
    end.evaluation.set_state(v1::EVALUATION_STATE_SUCCEEDED);
    *end.evaluation.mutable_report() = *report_;
  } else {
    end.outcome = schedule_.outcome();
    SetEarlyEnd(end.outcome, &end.evaluation);
  }
  end.evaluation.set_samples_done(count_.samples());
  *end.evaluation.mutable_finished_at() = now;
  return end;
}

void EvaluationRun::SendProgress() {
  // The audience calls this when it is the event's turn, so the numbers are
  // new.
  audience_.SendProgress([this] { return Progress(); });
}

v1::EvaluationProgress EvaluationRun::Progress() const {
  MutexLock lock(mutex_);
  return count_.Encode(Work(), clock_.Now());
}

WorkSoFar EvaluationRun::Work() const {
  WorkSoFar work;
  work.passes = work_.passes();
  work.cost = work_.cost();
  // As doubles, since a product of large options overflows integers.
  for (size_t tile = 0; tile < tiles_.size(); ++tile) {
    work.planned += static_cast<double>(CostOf(tile));
  }
  work.speed = speed_;
  work.at_once = at_once_;
  return work;
}

UnfinishedRecords EvaluationRun::KnownOf(
    size_t tile, const std::map<int64_t, SampleRecord>& unfinished) const {
  UnfinishedRecords known;
  for (const int64_t index : tiles_[tile]) {
    const auto found = unfinished.find(index);
    // As much must be known of each image of the tile.
    if (found == unfinished.end() ||
        (!known.empty() &&
         found->second.attacks.size() != known.front().attacks.size())) {
      return {};
    }
    known.push_back(found->second);
  }
  return known;
}

int64_t EvaluationRun::CostOf(size_t tile) const {
  // The report costs nothing.
  if (tile == tiles_.size() || tiles_[tile].empty()) return 0;
  const auto found = unfinished_.find(tiles_[tile].front());
  const size_t known =
      found == unfinished_.end() ? 0 : found->second.attacks.size();
  const auto results = static_cast<double>(evaluation_.results());
  // As if all results cost the same.
  const double share = 1 - static_cast<double>(known) / results;
  return static_cast<int64_t>(static_cast<double>(cost_per_image_) * share) *
         static_cast<int64_t>(tiles_[tile].size());
}

bool EvaluationRun::OutliveListeners() {
  audience_.GoOnWhenLeft();
  MutexLock lock(mutex_);
  const bool before = state_.cancel_on_disconnect();
  state_.set_cancel_on_disconnect(false);
  return before;
}

int64_t EvaluationRun::images() const {
  MutexLock lock(mutex_);
  return count_.new_samples() - others_samples_;
}

void EvaluationRun::SetRunning() {
  MutexLock lock(mutex_);
  state_.set_state(v1::EVALUATION_STATE_RUNNING);
}

void EvaluationRun::Count(const std::vector<SampleRecord>& records) {
  MutexLock lock(mutex_);
  for (const SampleRecord& record : records) count_.Add(record);
}

bool EvaluationRun::TakeReport() {
  MutexLock lock(mutex_);
  // Tiles that end at the same time both find the records complete.
  if (report_taken_ || !count_.complete()) return false;
  report_taken_ = true;
  return true;
}

}  // namespace adv
