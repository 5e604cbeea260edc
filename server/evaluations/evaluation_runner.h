#ifndef ADV_SERVER_EVALUATIONS_EVALUATION_RUNNER_H_
#define ADV_SERVER_EVALUATIONS_EVALUATION_RUNNER_H_

#include <absl/status/statusor.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "adv/v1/evaluation.pb.h"
#include "server/compute/clock.h"
#include "server/compute/executor.h"
#include "server/compute/mutex.h"
#include "server/evaluations/crafted_tiles.h"
#include "server/evaluations/evaluation_audience.h"
#include "server/evaluations/evaluation_store.h"
#include "server/evaluations/progress_timer.h"
#include "server/evaluations/resolved_evaluation.h"
#include "server/evaluations/subscription.h"
#include "server/evaluations/tile_queue.h"
#include "server/evaluations/tile_sharing.h"

namespace adv {

class EvaluationRun;

// Finds what a specification names. The error says what is wrong.
using EvaluationResolver = std::function<absl::StatusOr<ResolvedEvaluation>(
    const v1::EvaluationSpec&)>;

struct EvaluationRunnerOptions {
  // Of images that transfers crafted, kept for the next target.
  int64_t crafted_bytes = int64_t{256} << 20;
  // Evaluations that may run at once; more are RESOURCE_EXHAUSTED.
  int concurrent = 4;
  // Listeners hear at least so often.
  Clock::Duration progress_interval = std::chrono::seconds(2);
  // device, server_version and libraries of the reports.
  v1::Environment environment;
  // Where tiles that wait for endpoints run; null: where the others do. Not
  // owned; must outlive the runner.
  Executor* endpoint_executor = nullptr;
  // Told, once for each, of evaluations of a shared store that this server
  // takes no part in, and why. Must be quick and must not throw. May be empty.
  std::function<void(const std::string& id, const absl::Status& why)>
      on_refused;
  // Told of each evaluation that SUCCEEDED here, once, whoever listens. Must be
  // quick and must not throw. May be empty.
  std::function<void(const v1::EvaluationReport&)> on_report;
  // Called once for each evaluation that ended, whatever came of it, when its
  // tensors are gone. Must not throw. May be empty.
  std::function<void()> on_end;
};

// The evaluations of one model that run now, together.
struct RunningEvaluations {
  int64_t images = 0;
  int64_t images_done = 0;
  double seconds_left = -1;  // until the last of them ends; -1: not known yet
};

struct EvaluationRunnerStats {
  int64_t running = 0;                                 // now
  std::map<std::string, RunningEvaluations> by_model;  // of the running ones
  // Since the start.
  int64_t succeeded = 0;
  int64_t failed = 0;
  int64_t cancelled = 0;
  int64_t images = 0;        // samples computed
  SecondsHistogram seconds;  // of each that succeeded, over interruptions
  // Of a shared store, a second ago at most while it can be reached. None: the
  // store is this server's alone, or was never reached.
  std::optional<QueueLength> queue;
};

struct StartedEvaluation {
  v1::Evaluation evaluation;  // with its report if it SUCCEEDED before
  // Null if it SUCCEEDED before: no event will come.
  std::unique_ptr<Subscription> subscription;
};

// Runs evaluations: each tile of samples is one bulk job of the executor and
// one transaction of the store. An evaluation outlives who asked for it; equal
// specifications are one evaluation.
//
// Where the store has a queue, several servers work on its evaluations: each
// takes part in all that are underway, and an evaluation ends everywhere when
// it ends at one.
//
// Thread-safe.
class EvaluationRunner {
 public:
  // Neither is owned; both must outlive the runner.
  EvaluationRunner(Executor* executor, EvaluationStore* store,
                   EvaluationRunnerOptions options);
  // Cancels what runs and waits for it.
  ~EvaluationRunner();
  EvaluationRunner(const EvaluationRunner&) = delete;
  EvaluationRunner& operator=(const EvaluationRunner&) = delete;

  // Goes on with what the store has as QUEUED or RUNNING: what an earlier
  // server did not end, however it stopped. The limit on evaluations does not
  // hold it up. One that was to end with its callers, who are gone, ends as
  // CANCELLED, "server stopped"; one whose model, data set or limits are no
  // longer what they were, as FAILED with the reason. To be called once, before
  // Start.
  //
  // Where the store has a queue: takes part from now on in whatever is underway
  // there. An evaluation that is another one here (another model, other data)
  // is left to the other servers.
  void GoOn(const EvaluationResolver& resolve) ADV_EXCLUDES(mutex_);

  // Attaches to the evaluation if it runs, returns it if it SUCCEEDED, resumes
  // it after the tiles that are stored if it was interrupted (CANCELLED or
  // FAILED), starts it otherwise. The first event may come before this
  // returns. CancelIfLeft may end it only if all who asked for it while it ran
  // said `kIsCancelled`. RESOURCE_EXHAUSTED if too many run or the disk is
  // full, UNAVAILABLE after Stop, ABORTED while it is being cancelled (ask
  // again in a moment).
  absl::StatusOr<StartedEvaluation> Start(
      ResolvedEvaluation evaluation, EvaluationListener listener,
      WhenLeft when_left = WhenLeft::kGoesOn) ADV_EXCLUDES(mutex_);

  // Cancels the evaluation if all subscriptions to it are gone and nobody
  // wants it to go on without them. `id` is a whole one.
  void CancelIfLeft(const std::string& id) ADV_EXCLUDES(mutex_);

  // Below, `id` may be a unique beginning: see EvaluationStore::ResolveId.

  // Ends it before its next pass; the tiles that are stored are kept. What it
  // returns is CANCELLED if it ran (the end follows in a moment), and the
  // evaluation unchanged if it had ended. Without its report.
  absl::StatusOr<v1::Evaluation> Cancel(const std::string& id)
      ADV_EXCLUDES(mutex_);
  // With its report.
  absl::StatusOr<v1::Evaluation> Get(const std::string& id) const
      ADV_EXCLUDES(mutex_);
  absl::StatusOr<EvaluationPage> List(int64_t page_size,
                                      const std::string& page_token,
                                      const std::string& model) const
      ADV_EXCLUDES(mutex_);
  absl::StatusOr<RecordPage> Records(const std::string& id, int64_t page_size,
                                     const std::string& page_token) const;
  // FAILED_PRECONDITION while it runs, ABORTED while it is being cancelled.
  absl::Status Delete(const std::string& id) ADV_EXCLUDES(mutex_);

  // Starts no evaluation and no tile from now on. Tiles that run may finish
  // (Executor::Drain bounds how long); then listeners hear that their
  // evaluations ended as CANCELLED, "server stopped", and the store has these
  // as QUEUED for the next server. Does not wait: Executor::Drain does.
  void Stop() ADV_EXCLUDES(mutex_);

  EvaluationRunnerStats stats() const ADV_EXCLUDES(mutex_);

  // Whether the last look at a shared store found nothing underway that this
  // server takes part in. False before the first look.
  bool nothing_underway() const { return nothing_underway_; }

  // False while a shared store cannot be reached: evaluations wait.
  bool store_available() const {
    return sharing_ == nullptr || sharing_->available();
  }

 private:
  using RunPointer = std::shared_ptr<EvaluationRun>;

  // Finds the run to attach to, or begins one; null: the evaluation SUCCEEDED
  // before, and `stored` has it.
  absl::StatusOr<RunPointer> FindOrBegin(const std::string& id,
                                         ResolvedEvaluation evaluation,
                                         WhenLeft when_left,
                                         v1::Evaluation* stored)
      ADV_REQUIRES(mutex_);
  absl::StatusOr<RunPointer> Begin(const std::string& id,
                                   ResolvedEvaluation evaluation,
                                   WhenLeft when_left) ADV_REQUIRES(mutex_);
  // The run that goes on with `left`. The error is why it cannot.
  absl::StatusOr<RunPointer> BeginAgain(const v1::Evaluation& left,
                                        const EvaluationResolver& resolve)
      ADV_EXCLUDES(mutex_);
  absl::StatusOr<v1::Evaluation> Stored(const std::string& id) const
      ADV_REQUIRES(mutex_);
  // Images of each tile in the queue; 0 without one.
  absl::StatusOr<int64_t> EnterTiles(const std::string& id,
                                     const ResolvedEvaluation& evaluation);
  // One round of a shared store: joins what has begun, learns what others did,
  // prolongs the leases, takes tiles.
  absl::Status Share(const EvaluationResolver& resolve) ADV_EXCLUDES(mutex_);
  void Join(const std::vector<v1::Evaluation>& underway,
            const EvaluationResolver& resolve) ADV_EXCLUDES(mutex_);
  absl::Status LearnOf(const RunPointer& run,
                       const std::vector<v1::Evaluation>& underway)
      ADV_EXCLUDES(mutex_);
  // False: there was none, or the run may have no more.
  absl::StatusOr<bool> TakeTile(const RunPointer& run) ADV_EXCLUDES(mutex_);
  std::vector<RunPointer> Runs() const ADV_EXCLUDES(mutex_);
  absl::Status MeasureQueue() ADV_EXCLUDES(mutex_);
  absl::Status EndForAll(const std::string& id);
  // Fills in what is known of a run that the store does not know yet.
  void Refresh(v1::Evaluation* evaluation) const ADV_REQUIRES(mutex_);

  // Submits tiles as long as there is room, and ends what is at its end.
  void Continue(const RunPointer& run) ADV_EXCLUDES(mutex_);
  absl::Status Submit(const RunPointer& run, size_t tile);
  absl::Status Submit(const RunPointer& run, size_t tile, Executor::Job compute,
                      Executor::Done done);
  // Stores the end, then tells of it. The runner may be gone when this
  // returns.
  void End(EvaluationRun& run) ADV_EXCLUDES(mutex_);
  absl::Status StoreEnd(const EvaluationRun& run, EvaluationEnd* end);
  void CountEnd(const EvaluationRun& run, const v1::Evaluation& ended)
      ADV_REQUIRES(mutex_);

  void SendProgress() ADV_EXCLUDES(mutex_);
  Executor& ExecutorOf(const ResolvedEvaluation& evaluation) const;

  Executor* const executor_;
  EvaluationStore* const store_;
  const EvaluationRunnerOptions options_;
  TileQueue* const queue_;  // null: the store is this server's alone
  Clock& clock_;
  CraftedTiles crafted_;

  // Taken before any lock of a run. Never held while a listener runs.
  mutable Mutex mutex_;
  CondVar run_ended_;
  bool stopping_ ADV_GUARDED_BY(mutex_) = false;
  std::map<std::string, RunPointer> runs_ ADV_GUARDED_BY(mutex_);
  // Ended evaluations whose end the store could not take (a full disk).
  std::map<std::string, v1::Evaluation> unsaved_ ADV_GUARDED_BY(mutex_);
  // Of runs that ended, and of the queue.
  EvaluationRunnerStats stats_ ADV_GUARDED_BY(mutex_);

  // Those that this server took no part in, and when. Of the sharing thread.
  std::map<std::string, Clock::Time> refused_;
  Clock::Time renewed_{};   // of the sharing thread
  Clock::Time measured_{};  // of the sharing thread
  std::atomic<bool> nothing_underway_{false};

  ProgressTimer timer_;                   // late, since it calls SendProgress
  std::unique_ptr<TileSharing> sharing_;  // last, since it calls Share
};

}  // namespace adv

#endif  // ADV_SERVER_EVALUATIONS_EVALUATION_RUNNER_H_
