#include "server/evaluations/evaluation_runner.h"

#include <absl/strings/str_cat.h>
#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <set>
#include <utility>

#include "server/evaluations/evaluation_run.h"
#include "server/evaluations/stored_run.h"
#include "server/evaluations/tile_work.h"

namespace adv {
namespace {

constexpr char kServerStopped[] = "server stopped";

// Writes why a run ended without a report: CANCELLED if it was cancelled or the
// server stopped, FAILED otherwise.
void SetEnd(const absl::Status& outcome, v1::Evaluation* evaluation) {
  const bool stopped = absl::IsUnavailable(outcome);
  evaluation->set_state(stopped || absl::IsCancelled(outcome)
                            ? v1::EVALUATION_STATE_CANCELLED
                            : v1::EVALUATION_STATE_FAILED);
  evaluation->set_error(stopped ? kServerStopped
                                : std::string(outcome.message()));
}

using Listeners = std::vector<std::shared_ptr<EvaluationChannel>>;

}  // namespace

EvaluationRunner::EvaluationRunner(Executor* executor, EvaluationStore* store,
                                   EvaluationRunnerOptions options)
    : executor_(executor),
      store_(store),
      options_(std::move(options)),
      clock_(executor->clock()),
      timer_start_(clock_.Now()) {
  // If the store cannot be written now, the first Start will say so.
  store_->InterruptUnfinished(kServerStopped).IgnoreError();
  // `timer_start_` was read before: the thread may begin at any later time.
  timer_ = std::thread([this] { TimerLoop(); });
}

EvaluationRunner::~EvaluationRunner() {
  // Stop comes first: listeners then hear "server stopped" as the reason.
  Stop();
  {
    MutexLock lock(mutex_);
    destroyed_ = true;
    changed_.NotifyAll();
    for (const auto& [id, run] : runs_) run->cancel.Cancel();
    while (!runs_.empty()) changed_.Wait(mutex_);
  }
  timer_.join();
}

absl::StatusOr<StartedEvaluation> EvaluationRunner::Start(
    ResolvedEvaluation evaluation, EvaluationListener listener,
    WhenLeft when_left) {
  const std::string id = EvaluationId(evaluation.resolved);
  auto channel = std::make_shared<EvaluationChannel>(std::move(listener));
  StartedEvaluation started;
  RunPointer run;
  {
    MutexLock lock(mutex_);
    if (stopping_) return absl::UnavailableError("the server is stopping");
    const auto running = runs_.find(id);
    if (running != runs_.end()) {
      run = running->second;
      if (!run->outcome.ok()) {
        return absl::AbortedError(absl::StrCat(
            "evaluation \"", id, "\" is just ending: ask again in a moment"));
      }
    } else {
      auto stored = Stored(id);
      if (stored.ok() && stored->state() == v1::EVALUATION_STATE_SUCCEEDED) {
        started.evaluation = *std::move(stored);
        return started;
      }
      auto begun = Begin(id, std::move(evaluation));
      if (!begun.ok()) return begun.status();
      run = *begun;
    }
    // Kept when the listener leaves: what it asked for outlives it.
    if (when_left == WhenLeft::kGoesOn) run->goes_on_when_left = true;
    run->listeners.push_back(channel);
    started.evaluation = run->state;
    started.evaluation.set_samples_done(run->tally.samples);
    started.subscription = std::make_unique<Subscription>(std::move(channel));
  }
  Continue(run);
  return started;
}

absl::StatusOr<EvaluationRunner::RunPointer> EvaluationRunner::Begin(
    const std::string& id, ResolvedEvaluation evaluation) {
  if (static_cast<int>(runs_.size()) >= options_.concurrent) {
    return absl::ResourceExhaustedError(
        absl::StrCat(runs_.size(), " evaluations run, at most ",
                     options_.concurrent, " may"));
  }
  auto run = std::make_shared<EvaluationRun>(id, std::move(evaluation));
  absl::Status status = EnterRun(*store_, Date(), *run);
  if (!status.ok()) return status;
  const auto done = LoadRecords(*store_, *run);
  if (!done.ok()) return done.status();
  // Padded tiles cost a full tile whatever they hold: small ones gain nothing.
  const bool free_size = !run->evaluation.model->network->traits().padded();
  run->tiles =
      RemainingTiles(run->evaluation.indices, run->evaluation.plan.tile_size,
                     free_size ? ExecutorOf(*run).threads() : 1, *done);
  // The report is made on the executor, even if it alone is missing.
  if (run->tiles.empty()) run->tiles.emplace_back();
  run->samples_before = run->tally.samples;
  run->started = run->last_commit = clock_.Now();
  // The store could be written again: what it missed before is out of date.
  unsaved_.erase(id);
  runs_[id] = run;
  return run;
}

bool EvaluationRunner::NextTile(EvaluationRun& run, size_t* tile, bool* end) {
  MutexLock lock(mutex_);
  if (run.ending) return false;
  if (!run.outcome.ok() || run.next_tile == run.tiles.size()) {
    // True for one caller alone: that one ends the run.
    *end = run.ending = run.tiles_in_flight == 0;
    return false;
  }
  if (run.tiles_in_flight >= ExecutorOf(run).threads()) return false;
  *tile = run.next_tile++;
  ++run.tiles_in_flight;
  return true;
}

void EvaluationRunner::Continue(const RunPointer& run) {
  size_t tile = 0;
  bool end = false;
  while (NextTile(*run, &tile, &end)) {
    JobOptions job;
    job.lane = Lane::kBulk;
    job.cost =
        run->cost_per_image * static_cast<int64_t>(run->tiles[tile].size());
    job.cancel = run->cancel;
    job.op = "evaluate";
    job.model = run->evaluation.model->full_name();
    job.exempt = true;
    const absl::Status status = ExecutorOf(*run).Submit(
        std::move(job),
        [this, run, tile](const BeforePass& before_pass) {
          return RunTile(*run, tile, before_pass);
        },
        [this, run](const absl::Status& result) {
          OnTileDone(*run, result);
          Continue(run);
        });
    if (!status.ok()) OnTileDone(*run, status);
  }
  if (end) End(*run);
}

void EvaluationRunner::OnTileDone(EvaluationRun& run,
                                  const absl::Status& status) {
  MutexLock lock(mutex_);
  --run.tiles_in_flight;
  if (status.ok()) return;
  // Tiles that are stopped because of the first reason fail with CANCELLED:
  // that must not hide the reason.
  if (run.outcome.ok()) run.outcome = status;
  run.cancel.Cancel();  // the other tiles need not finish
}

Executor& EvaluationRunner::ExecutorOf(const EvaluationRun& run) const {
  const bool asks =
      AskEndpoints(*run.evaluation.model, *run.evaluation.source_model);
  return asks && options_.endpoint_executor != nullptr
             ? *options_.endpoint_executor
             : *executor_;
}

absl::Status EvaluationRunner::RunTile(EvaluationRun& run, size_t tile,
                                       const BeforePass& before_pass) {
  {
    MutexLock lock(mutex_);
    run.state.set_state(v1::EVALUATION_STATE_RUNNING);
  }
  if (!run.tiles[tile].empty()) {
    const auto records =
        ComputeTile(run.evaluation, run.tiles[tile], before_pass, run.costs);
    if (!records.ok()) return records.status();
    if (absl::Status status = Commit(run, *records); !status.ok()) {
      return status;
    }
  }
  bool complete = false;
  {
    MutexLock lock(mutex_);
    // Tiles that end at the same time both find the records complete.
    complete = run.has_all_records() && !run.report_begun;
    if (complete) run.report_begun = true;
  }
  return complete ? WriteReport(run) : absl::OkStatus();
}

absl::Status EvaluationRunner::Commit(
    EvaluationRun& run, const std::vector<SampleRecord>& records) {
  double seconds = 0;
  {
    MutexLock lock(mutex_);
    // Tiles overlap: the time between two ends, not each tile's own duration,
    // adds up to the time that the evaluation took.
    const Clock::Time now = clock_.Now();
    seconds = Seconds(now - std::exchange(run.last_commit, now));
  }
  absl::Status status = StoreRecords(*store_, records, seconds, run);
  if (!status.ok()) return status;
  {
    MutexLock lock(mutex_);
    for (const SampleRecord& record : records) run.tally.Add(record);
    stats_.images += static_cast<int64_t>(records.size());
  }
  SendProgress(run);
  return absl::OkStatus();
}

absl::Status EvaluationRunner::WriteReport(EvaluationRun& run) {
  auto report = MakeReport(*store_, run, options_.environment);
  if (!report.ok()) return report.status();
  MutexLock lock(mutex_);
  run.report = *std::move(report);
  return absl::OkStatus();
}

v1::Evaluation EvaluationRunner::EndOf(const EvaluationRun& run) const {
  // run.state stays as it is: others learn the end once it is stored.
  v1::Evaluation ended = run.state;
  if (run.report) {
    ended.set_state(v1::EVALUATION_STATE_SUCCEEDED);
    *ended.mutable_report() = *run.report;
  } else {
    SetEnd(run.outcome, &ended);
  }
  ended.set_samples_done(run.tally.samples);
  *ended.mutable_finished_at() = Date();
  return ended;
}

void EvaluationRunner::Count(const v1::Evaluation& ended) {
  if (ended.state() == v1::EVALUATION_STATE_SUCCEEDED) {
    ++stats_.succeeded;
    stats_.seconds.Add(ended.report().environment().wall_seconds());
  } else if (ended.state() == v1::EVALUATION_STATE_CANCELLED) {
    ++stats_.cancelled;
  } else {
    ++stats_.failed;
  }
}

void EvaluationRunner::End(EvaluationRun& run) {
  v1::Evaluation ended;
  {
    MutexLock lock(mutex_);
    ended = EndOf(run);
  }
  // What was sent for tiles that failed was sent all the same.
  if (run.costs.new_queries > 0) {
    StoreRecords(*store_, {}, 0, run).IgnoreError();
  }
  const absl::Status saved = store_->Update(ended);
  if (saved.ok() && ended.has_report() && options_.on_report) {
    options_.on_report(ended.report());
  }
  if (options_.on_end) options_.on_end();
  absl::Status outcome;
  Listeners listeners;
  // No progress may come after the end: SendProgress holds this lock, too.
  MutexLock event_lock(run.event_mutex);
  {
    MutexLock lock(mutex_);
    if (!saved.ok()) {
      // The store has the records: asking again finishes the evaluation once
      // there is room.
      if (run.report) SetEnd(saved, &ended);
      ended.clear_report();
      unsaved_[run.id] = ended;
    }
    Count(ended);
    outcome = run.report ? saved : run.outcome;
    listeners = std::move(run.listeners);
    runs_.erase(run.id);
    changed_.NotifyAll();
  }
  // From here on the runner may be gone.
  run.last_event_sent = true;
  const EvaluationEnd end{std::move(ended), outcome};
  for (const auto& listener : listeners) listener->Send(end);
}

void EvaluationRunner::SendProgress(EvaluationRun& run) {
  MutexLock event_lock(run.event_mutex);
  if (run.last_event_sent) return;
  EvaluationEvent event;
  Listeners listeners;
  {
    MutexLock lock(mutex_);
    auto& all = run.listeners;
    all.erase(std::remove_if(all.begin(), all.end(),
                             [](const auto& one) { return one->closed(); }),
              all.end());
    // Listeners run without `mutex_`: they may ask the runner.
    listeners = all;
    event = ProgressOf(run, clock_.Now());
  }
  for (const auto& listener : listeners) listener->Send(event);
}

void EvaluationRunner::TimerLoop() {
  Clock::Time next = timer_start_ + options_.progress_interval;
  while (true) {
    std::vector<RunPointer> runs;
    {
      MutexLock lock(mutex_);
      while (!destroyed_ && clock_.Now() < next) {
        clock_.WaitUntil(changed_, mutex_, next);
      }
      if (destroyed_) return;
      for (const auto& [id, run] : runs_) runs.push_back(run);
    }
    for (const RunPointer& run : runs) SendProgress(*run);
    next = clock_.Now() + options_.progress_interval;
  }
}

google::protobuf::Timestamp EvaluationRunner::Date() const {
  return google::protobuf::util::TimeUtil::MillisecondsToTimestamp(
      std::chrono::duration_cast<std::chrono::milliseconds>(
          clock_.Date().time_since_epoch())
          .count());
}

}  // namespace adv
