#include "server/evaluations/evaluation_runner.h"

#include <absl/strings/str_cat.h>

#include <optional>
#include <utility>
#include <vector>

#include "server/evaluations/evaluation_run.h"
#include "server/evaluations/resume.h"

namespace adv {
namespace {

// The end as it is told if the store could not take it. The records are there:
// asking again finishes the evaluation once there is room.
void Withdraw(const absl::Status& failure, EvaluationEnd* end) {
  if (!end->evaluation.has_report()) return;
  end->outcome = failure;
  SetEarlyEnd(failure, &end->evaluation);
  end->evaluation.clear_report();
}

// Whether the server's end cut the evaluation off.
bool ServerStopped(const EvaluationEnd& end) {
  return absl::IsUnavailable(end.outcome);
}

// As the next server is to find it.
v1::Evaluation Queued(v1::Evaluation evaluation) {
  evaluation.set_state(v1::EVALUATION_STATE_QUEUED);
  evaluation.clear_error();
  evaluation.clear_finished_at();
  return evaluation;
}

// Why an evaluation `left` by an earlier server is another one now.
absl::Status Changed(const v1::Evaluation& left,
                     const v1::ResolvedSpec& resolved) {
  const auto digests = [](const v1::ResolvedSpec& spec) {
    return absl::StrCat("model ", spec.model().digest(), ", source model ",
                        spec.source_model().digest(), ", data set ",
                        spec.dataset_sha256());
  };
  return absl::FailedPreconditionError(absl::StrCat(
      "cannot go on: what it measures has changed. It began with digests ",
      digests(left.resolved()), "; here they are ", digests(resolved)));
}

}  // namespace

EvaluationRunner::EvaluationRunner(Executor* executor, EvaluationStore* store,
                                   EvaluationRunnerOptions options)
    : executor_(executor),
      store_(store),
      options_(std::move(options)),
      queue_(store->queue()),
      clock_(executor->clock()),
      crafted_(options_.crafted_bytes),
      timer_(&clock_, options_.progress_interval, [this] { SendProgress(); }) {}

EvaluationRunner::~EvaluationRunner() {
  // No run begins and no tile is taken from here on.
  sharing_.reset();
  // Stop comes first: the reason that a listener hears is "server stopped".
  Stop();
  for (const RunPointer& run : Runs()) {
    run->Cancel();
    // The jobs of a run end before their next pass, and the last one ends it. A
    // run without jobs ends here.
    Continue(run);
  }
  MutexLock lock(mutex_);
  while (!runs_.empty()) run_ended_.Wait(mutex_);
}

absl::StatusOr<StartedEvaluation> EvaluationRunner::Start(
    ResolvedEvaluation evaluation, EvaluationListener listener,
    WhenLeft when_left) {
  const std::string id = EvaluationId(evaluation.resolved);
  auto channel = std::make_shared<EvaluationChannel>(std::move(listener));
  StartedEvaluation started;
  absl::StatusOr<RunPointer> run;
  {
    MutexLock lock(mutex_);
    run =
        FindOrBegin(id, std::move(evaluation), when_left, &started.evaluation);
    if (!run.ok()) return run.status();
    if (*run == nullptr) return started;
    // The lock keeps the run from ending between the look at it and Join.
    started.evaluation = (*run)->Snapshot();
    if ((*run)->ends_early()) {
      return JustEnding(id);
    }
    // Of a shared evaluation that began at another server, which cannot know
    // when the callers of this one leave.
    const bool goes_on = (*run)->audience().goes_on_when_left();
    (*run)->audience().Join(channel, when_left);
    if ((goes_on || when_left == WhenLeft::kGoesOn) &&
        (*run)->OutliveListeners()) {
      // If it cannot be stored, a restart takes the evaluation for one that
      // nobody waits for: asking again resumes it.
      store_->OutliveCallers(id).IgnoreError();
    }
    started.subscription = std::make_unique<Subscription>(std::move(channel));
  }
  // Without the lock, which the end of a run takes: a tile that the executor
  // refuses may end the run here.
  Continue(*run);
  return started;
}

void EvaluationRunner::GoOn(const EvaluationResolver& resolve) {
  if (queue_ != nullptr) {
    // What others left is found like what they begin.
    sharing_ = std::make_unique<TileSharing>(
        queue_, [this, resolve] { return Share(resolve); });
    return;
  }
  const auto underway = store_->Underway();
  // A store that cannot be read says so at the next call.
  if (!underway.ok()) return;
  for (v1::Evaluation left : *underway) {
    const absl::StatusOr<RunPointer> run = BeginAgain(left, resolve);
    if (run.ok()) {
      Continue(*run);
      continue;
    }
    SetEarlyEnd(run.status(), &left);
    *left.mutable_finished_at() = DateOf(clock_);
    store_->Update(left).IgnoreError();
  }
}

absl::StatusOr<EvaluationRunner::RunPointer> EvaluationRunner::BeginAgain(
    const v1::Evaluation& left, const EvaluationResolver& resolve) {
  // The callers of a shared one may be at another server.
  if (left.cancel_on_disconnect() && queue_ == nullptr) {
    return absl::UnavailableError("its callers are gone");
  }
  auto evaluation = resolve(left.resolved().spec());
  if (!evaluation.ok()) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot go on: ", evaluation.status().message()));
  }
  if (EvaluationId(evaluation->resolved) != left.id()) {
    return Changed(left, evaluation->resolved);
  }
  MutexLock lock(mutex_);
  if (stopping_) return absl::UnavailableError("the server is stopping");
  // It may have come meanwhile.
  if (const auto here = runs_.find(left.id()); here != runs_.end()) {
    return here->second;
  }
  const WhenLeft when_left =
      left.cancel_on_disconnect() ? WhenLeft::kIsCancelled : WhenLeft::kGoesOn;
  auto run = Begin(left.id(), *std::move(evaluation), when_left);
  // Nobody listens here, and that is no reason to end it.
  if (run.ok()) (*run)->audience().GoOnWhenLeft();
  return run;
}

absl::StatusOr<EvaluationRunner::RunPointer> EvaluationRunner::FindOrBegin(
    const std::string& id, ResolvedEvaluation evaluation, WhenLeft when_left,
    v1::Evaluation* stored) {
  if (stopping_) return absl::UnavailableError("the server is stopping");
  const auto running = runs_.find(id);
  if (running != runs_.end()) return running->second;
  absl::StatusOr<v1::Evaluation> before = Stored(id);
  // An error of the store comes up again in Begin.
  if (before.ok() && before->state() == v1::EVALUATION_STATE_SUCCEEDED) {
    *stored = *std::move(before);
    return RunPointer();
  }
  if (static_cast<int>(runs_.size()) >= options_.concurrent) {
    return absl::ResourceExhaustedError(
        absl::StrCat(runs_.size(), " evaluations run, at most ",
                     options_.concurrent, " may"));
  }
  return Begin(id, std::move(evaluation), when_left);
}

absl::StatusOr<EvaluationRunner::RunPointer> EvaluationRunner::Begin(
    const std::string& id, ResolvedEvaluation evaluation, WhenLeft when_left) {
  // The store comes first, so that a full disk refuses the evaluation before it
  // computes anything.
  auto state = EnterQueued(*store_, id, evaluation,
                           when_left == WhenLeft::kIsCancelled, DateOf(clock_));
  if (!state.ok()) return state.status();
  auto before = ReadProgress(*store_, id, evaluation);
  if (!before.ok()) {
    // The store must not say of it that it waits or runs.
    SetEarlyEnd(before.status(), &*state);
    *state->mutable_finished_at() = DateOf(clock_);
    store_->Update(*state).IgnoreError();
    return before.status();
  }
  const Executor& executor = ExecutorOf(evaluation);
  const auto shared_images = EnterTiles(id, evaluation);
  if (!shared_images.ok()) return shared_images.status();
  const Speed speed = executor.SpeedOf(evaluation.model->full_name());
  auto run = std::make_shared<EvaluationRun>(
      *std::move(state), std::move(evaluation), *std::move(before),
      executor.threads(), speed, &crafted_, store_, &clock_, *shared_images);
  // The store could be written again: what it missed before is out of date.
  unsaved_.erase(id);
  runs_[id] = run;
  return run;
}

void EvaluationRunner::Continue(const RunPointer& run) {
  // Of a shared run another thread takes the tiles.
  if (sharing_ != nullptr) sharing_->Wake();
  while (const std::optional<size_t> tile =
             queue_ == nullptr ? run->NextTile() : std::nullopt) {
    // A tile that is refused counts as one that failed, so that the run still
    // ends.
    if (absl::Status status = Submit(run, *tile); !status.ok()) {
      run->FinishTile(status);
    }
  }
  // Several tiles may end at once. Only one of their threads gets the end.
  if (run->TakeEnd()) End(*run);
}

absl::Status EvaluationRunner::Submit(const RunPointer& run, size_t tile) {
  return Submit(
      run, tile,
      [this, run, tile](const BeforePass& before_pass) {
        return run->ComputeTile(tile, before_pass, options_.environment);
      },
      [this, run](const absl::Status& result) {
        run->FinishTile(result);
        Continue(run);
      });
}

absl::Status EvaluationRunner::Submit(const RunPointer& run, size_t tile,
                                      Executor::Job compute,
                                      Executor::Done done) {
  JobOptions job;
  job.lane = Lane::kBulk;
  job.op = "evaluate";
  // The number of evaluations is limited already, and a tile that a full lane
  // refused would fail its evaluation.
  job.exempt = true;
  run->Describe(tile, &job);
  return ExecutorOf(run->evaluation())
      .Submit(std::move(job), std::move(compute), std::move(done));
}

void EvaluationRunner::End(EvaluationRun& run) {
  EvaluationEnd end = run.End(DateOf(clock_));
  // Stored first and told last: whoever hears of the end finds it in the store.
  const absl::Status saved = StoreEnd(run, &end);
  const bool is_ours = saved.ok() && !run.ended_elsewhere();
  if (is_ours && end.evaluation.has_report() && options_.on_report) {
    options_.on_report(end.evaluation.report());
  }
  if (options_.on_end) options_.on_end();
  if (!saved.ok()) Withdraw(saved, &end);
  {
    MutexLock lock(mutex_);
    if (!saved.ok()) unsaved_[run.id()] = end.evaluation;
    CountEnd(run, end.evaluation);
    runs_.erase(run.id());
    run_ended_.NotifyAll();
  }
  // From here on the runner may be gone. Nobody can join the run any more, so
  // that all who joined it hear its end.
  run.audience().SendEnd(end);
}

absl::Status EvaluationRunner::StoreEnd(const EvaluationRun& run,
                                        EvaluationEnd* end) {
  const bool goes_on =
      ServerStopped(*end) && !end->evaluation.cancel_on_disconnect();
  if (queue_ == nullptr) {
    return store_->Update(goes_on ? Queued(end->evaluation) : end->evaluation);
  }
  // Other servers go on, or one of them told of the end. A report was stored by
  // the tile that made it.
  if (goes_on || run.ended_elsewhere() || end->evaluation.has_report()) {
    return absl::OkStatus();
  }
  return queue_->End(end->evaluation).status();
}

void EvaluationRunner::CountEnd(const EvaluationRun& run,
                                const v1::Evaluation& ended) {
  stats_.images += run.images();
  // Whoever ended it counts it.
  if (run.ended_elsewhere()) return;
  if (ended.state() == v1::EVALUATION_STATE_SUCCEEDED) {
    ++stats_.succeeded;
    stats_.seconds.Add(ended.report().environment().wall_seconds());
  } else if (ended.state() == v1::EVALUATION_STATE_CANCELLED) {
    ++stats_.cancelled;
  } else {
    ++stats_.failed;
  }
}

void EvaluationRunner::SendProgress() {
  // Listeners run without the lock: they may ask the runner.
  std::vector<RunPointer> runs;
  {
    MutexLock lock(mutex_);
    for (const auto& [id, run] : runs_) runs.push_back(run);
  }
  for (const RunPointer& run : runs) run->SendProgress();
}

Executor& EvaluationRunner::ExecutorOf(
    const ResolvedEvaluation& evaluation) const {
  const bool asks = AskEndpoints(*evaluation.model, *evaluation.source_model);
  return asks && options_.endpoint_executor != nullptr
             ? *options_.endpoint_executor
             : *executor_;
}

}  // namespace adv
