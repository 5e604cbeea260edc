#include <absl/strings/str_cat.h>

#include <algorithm>
#include <utility>

#include "server/evaluations/evaluation_run.h"
#include "server/evaluations/evaluation_runner.h"

// How the runner works on evaluations together with other servers.
namespace adv {
namespace {

// An evaluation has so many tiles if its images allow: enough that servers end
// at about the same time.
constexpr int kTiles = 32;
// Models may be loaded meanwhile: an evaluation that was refused is tried
// again.
constexpr std::chrono::seconds kRefused{30};
constexpr std::chrono::seconds kBetweenMeasures{1};

}  // namespace

absl::StatusOr<int64_t> EvaluationRunner::EnterTiles(
    const std::string& id, const ResolvedEvaluation& evaluation) {
  if (queue_ == nullptr) return 0;
  // Padded tiles cost a full tile whatever they hold: small ones gain nothing.
  const int tiles = evaluation.model->network->traits().padded() ? 1 : kTiles;
  const std::vector<TileIndices> split =
      SplitIntoTiles(evaluation.indices, evaluation.plan.tile_size, tiles);
  return queue_->Enter(id, static_cast<int64_t>(split.front().size()));
}

std::vector<EvaluationRunner::RunPointer> EvaluationRunner::Runs() const {
  MutexLock lock(mutex_);
  std::vector<RunPointer> runs;
  for (const auto& [id, run] : runs_) runs.push_back(run);
  return runs;
}

absl::Status EvaluationRunner::Share(const EvaluationResolver& resolve) {
  // Those that ended early while no tile of them ran here. The database is not
  // needed for that.
  for (const RunPointer& run : Runs()) {
    if (run->TakeEnd()) End(*run);
  }
  const auto underway = store_->Underway();
  if (!underway.ok()) return underway.status();
  Join(*underway, resolve);
  nothing_underway_ = Runs().empty() &&
                      std::all_of(underway->begin(), underway->end(),
                                  [this](const v1::Evaluation& evaluation) {
                                    return refused_.count(evaluation.id()) > 0;
                                  });
  for (const RunPointer& run : Runs()) {
    absl::Status status = LearnOf(run, *underway);
    if (!status.ok()) return status;
  }
  // At a third of the lease, so that two attempts may fail.
  if (Seconds(clock_.Now() - renewed_) > queue_->lease_seconds() / 3) {
    if (absl::Status status = queue_->Renew(); !status.ok()) return status;
    renewed_ = clock_.Now();
  }
  if (absl::Status status = MeasureQueue(); !status.ok()) return status;
  // One of each in turn, so that all evaluations get on.
  std::vector<RunPointer> runs = Runs();
  while (!runs.empty()) {
    std::vector<RunPointer> hungry;
    for (const RunPointer& run : runs) {
      const auto took = TakeTile(run);
      if (!took.ok()) return took.status();
      if (*took) hungry.push_back(run);
    }
    runs = std::move(hungry);
  }
  return absl::OkStatus();
}

void EvaluationRunner::Join(const std::vector<v1::Evaluation>& underway,
                            const EvaluationResolver& resolve) {
  for (const v1::Evaluation& evaluation : underway) {
    const std::string& id = evaluation.id();
    {
      MutexLock lock(mutex_);
      if (stopping_) return;
      if (runs_.count(id) > 0) continue;
    }
    const auto before = refused_.find(id);
    const bool is_new = before == refused_.end();
    if (!is_new && clock_.Now() - before->second < kRefused) continue;
    const absl::StatusOr<RunPointer> run = BeginAgain(evaluation, resolve);
    if (run.ok()) {
      refused_.erase(id);
      continue;
    }
    // A database that is away is no reason to refuse.
    if (absl::IsUnavailable(run.status())) return;
    refused_[id] = clock_.Now();
    if (is_new && options_.on_refused) options_.on_refused(id, run.status());
  }
}

absl::Status EvaluationRunner::LearnOf(
    const RunPointer& run, const std::vector<v1::Evaluation>& underway) {
  const bool goes_on = std::any_of(
      underway.begin(), underway.end(),
      [&](const v1::Evaluation& other) { return other.id() == run->id(); });
  if (goes_on) return run->CountOthers();
  absl::StatusOr<v1::Evaluation> ended = store_->Get(run->id());
  if (absl::IsNotFound(ended.status())) {
    ended = run->Snapshot();
    ended->set_state(v1::EVALUATION_STATE_CANCELLED);
    ended->set_error("deleted");
  }
  if (!ended.ok()) return ended.status();
  // It began after the list was made.
  if (IsUnderway(*ended)) return absl::OkStatus();
  run->EndElsewhere(*ended);
  Continue(run);
  return absl::OkStatus();
}

absl::Status EvaluationRunner::MeasureQueue() {
  if (clock_.Now() - measured_ < kBetweenMeasures) return absl::OkStatus();
  const auto length = queue_->Length();
  if (!length.ok()) return length.status();
  measured_ = clock_.Now();
  MutexLock lock(mutex_);
  stats_.queue = *length;
  return absl::OkStatus();
}

absl::StatusOr<bool> EvaluationRunner::TakeTile(const RunPointer& run) {
  if (!run->TakePlace()) return false;
  const auto taken = queue_->Take(run->id());
  if (!taken.ok() || !taken->has_value()) {
    run->FinishTile(absl::OkStatus());  // gives up the place
    if (run->TakeEnd()) End(*run);
    if (!taken.ok()) return taken.status();
    return false;
  }
  const TakenTile tile = **taken;
  const auto over = [this, run, tile](const absl::Status& result) {
    // Also of a job that was cancelled before it began. If it cannot be given
    // back now, its lease will run out.
    if (!result.ok()) queue_->GiveBack(run->id(), tile.number).IgnoreError();
    run->FinishTile(result);
    Continue(run);
  };
  const absl::Status submitted = Submit(
      run, static_cast<size_t>(tile.number),
      [this, run, tile](const BeforePass& before_pass) {
        return run->ComputeTaken(tile, before_pass, options_.environment);
      },
      over);
  if (!submitted.ok()) over(submitted);
  return submitted.ok();
}

}  // namespace adv
