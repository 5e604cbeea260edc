#ifndef ADV_SERVER_COMPUTE_EXECUTOR_H_
#define ADV_SERVER_COMPUTE_EXECUTOR_H_

#include <absl/status/status.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "server/compute/cancel_token.h"
#include "server/compute/clock.h"
#include "server/compute/mutex.h"
#include "server/compute/speeds.h"

namespace adv {

// Interactive: someone waits (Classify, small GenerateAdversarial). Bulk: the
// rest (evaluations, large GenerateAdversarial). Each has threads of its own,
// so that neither waits for the other's.
enum class Lane { kInteractive = 0, kBulk = 1 };
inline constexpr int kLanes = 2;

// Called before each forward or gradient pass. OK: go on. Otherwise end with
// that status: CANCELLED (the token), DEADLINE_EXCEEDED, or UNAVAILABLE (the
// executor stops).
using BeforePass = std::function<absl::Status()>;

struct JobOptions {
  Lane lane = Lane::kInteractive;
  // Images times passes, a forward being 1 and a gradient 2 (see cost.h).
  // At least 1.
  int64_t cost = 1;
  // Memory the job holds while it waits.
  int64_t bytes = 0;
  // When the answer is of no use any more; none: never.
  std::optional<Clock::Time> deadline;
  CancelToken cancel;
  // What it is, for metrics: "classify", "generate", "evaluate". From a small
  // fixed set.
  std::string op;
  // What it asks, "no-cat@1": the speed is measured for each model.
  std::string model;
  // Who asks. Identities share a lane by what their jobs cost. Empty: nobody
  // in particular, which is one more.
  std::string identity;
  // Not bound by the lane's limits, because another limit bounds it already:
  // an evaluation's tiles.
  bool exempt = false;
};

struct LaneLimits {
  int64_t cost = 0;   // that may wait, above 0
  int64_t bytes = 0;  // that may wait, above 0
};

struct ExecutorOptions {
  // Owner threads of each lane, each of which runs one job: more than the
  // processor computes passes at once, so that jobs can share them (see
  // PassQueue). 0: floor(UsableCores() / intra_op_threads), at least 1.
  int threads = 0;
  // Passes that the processor computes at once, so that so many jobs keep it
  // busy. 0: as many as threads.
  int workers = 0;
  // Threads within one operation (at::set_num_threads on each owner thread).
  int intra_op_threads = 1;
  // About 20 s of waiting on two cores; 64 MiB of images.
  LaneLimits interactive{65536, int64_t{64} << 20};
  LaneLimits bulk{262144, int64_t{64} << 20};
  // Not owned; must outlive the executor. nullptr: the real one.
  Clock* clock = nullptr;
};

// Counts of durations at most bounds[i] seconds and above bounds[i - 1]; the
// last count is above all bounds.
struct SecondsHistogram {
  static constexpr std::array<double, 11> kBounds = {
      .001, .003, .01, .03, .1, .3, 1, 3, 10, 30, 100};
  std::array<int64_t, kBounds.size() + 1> counts{};
  double sum = 0;

  void Add(double seconds);
};

struct LaneStats {
  LaneLimits limits;
  // Waiting now. Cost and bytes are those the limits bind.
  int64_t queued_jobs = 0;
  int64_t queued_cost = 0;
  int64_t queued_bytes = 0;
  // Since the start.
  int64_t accepted = 0;
  int64_t rejected_full = 0;       // RESOURCE_EXHAUSTED
  int64_t rejected_too_large = 0;  // INVALID_ARGUMENT
  int64_t rejected_deadline = 0;   // DEADLINE_EXCEEDED
  int64_t rejected_draining = 0;   // UNAVAILABLE
  SecondsHistogram wait;           // from Submit to the start or the end
};

struct OpStats {
  int64_t started = 0;
  int64_t succeeded = 0;
  int64_t cancelled = 0;  // by their token, or since another part failed
  int64_t deadline_exceeded = 0;
  int64_t failed = 0;  // any other status
  double busy_seconds = 0;
};

// Since the start, but for what is said to be "now".
struct ExecutorStats {
  int threads = 0;  // of both lanes
  int intra_op_threads = 0;
  std::array<LaneStats, kLanes> lanes;  // by Lane
  std::map<std::string, OpStats> ops;   // by JobOptions::op
  int64_t running_jobs = 0;             // now
  double busy_seconds = 0;              // over all threads
  // Passes during which the token was cancelled or the deadline passed: at
  // most one for each job.
  int64_t wasted_passes = 0;
  double wasted_seconds = 0;
  int64_t exceptions = 0;  // that jobs threw
};

// The only place that computes: threads that take jobs from two bounded lanes.
// A job that runs is never interrupted, but asks before each pass whether to go
// on. What the passes of all jobs wait for is the processor; the PassQueue
// shares it, interactive passes first.
//
// In each lane the identities take turns, each having the same share of the
// cost (start-time fair queueing): a flood of jobs holds up its own identity.
// One with a name may hold only as much of a lane's room as it leaves free, so
// there is room for others, too.
//
// Thread-safe.
class Executor {
 public:
  // Its exceptions are caught: INTERNAL, or RESOURCE_EXHAUSTED for memory.
  using Job = std::function<absl::Status(const BeforePass&)>;
  // Must be quick and must not throw.
  using Done = std::function<void(const absl::Status&)>;

  explicit Executor(const ExecutorOptions& options);
  // Drain(0).
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // OK: `job` will run, or not if it is cancelled or the executor stops before,
  // or if it would end too late and others wait; and then `done` is called
  // exactly once, on an owner thread, with the job's status, without a lock
  // held. Otherwise neither is ever called:
  //   RESOURCE_EXHAUSTED  the lane is full; ask again after RetryAfter(lane)
  //   INVALID_ARGUMENT    it is larger than the lane will ever hold
  //   DEADLINE_EXCEEDED   it has passed, or others wait, and a quarter more
  //                       than the expected time to the end would pass it; ask
  //                       again after RetryAfter(lane)
  //   CANCELLED           its token is cancelled already
  //   UNAVAILABLE         draining
  absl::Status Submit(JobOptions options, Job job, Done done)
      ADV_EXCLUDES(mutex_);

  // As Submit, for a job in parts, at least one, which may run at the same
  // time. They are admitted as one job, then each is a job with an equal share
  // of cost and bytes that waits for its turn. `done` is called once, when the
  // last part has ended, with the status of the part that failed first. That
  // one ends the others with CANCELLED before their next pass.
  absl::Status SubmitParts(JobOptions options, std::vector<Job> parts,
                           Done done) ADV_EXCLUDES(mutex_);

  // What Submit would answer now for want of room or time, or while draining;
  // OK otherwise. For callers to whom making the job costs time. Counts as a
  // refusal.
  absl::Status Offer(const JobOptions& options) ADV_EXCLUDES(mutex_);

  // The workers that no job keeps busy now, neither a running nor a waiting
  // one.
  int IdleWorkers() const ADV_EXCLUDES(mutex_);

  // How long a job of nobody in particular would wait if it were submitted now
  // and all that is ahead of it came first, from its cost and the speed
  // measured so far for each model (0 before the first job has ended).
  Clock::Duration ExpectedWait(Lane lane) const ADV_EXCLUDES(mutex_);
  // How fast one thread does jobs of `model`, as far as jobs that have ended
  // tell.
  Speed SpeedOf(const std::string& model) const ADV_EXCLUDES(mutex_);
  // When asking again is worthwhile: ExpectedWait within [50 ms, 30 s].
  Clock::Duration RetryAfter(Lane lane) const ADV_EXCLUDES(mutex_);

  // Accepts nothing from now on, lets waiting and running jobs go on for
  // `grace`, then ends them with UNAVAILABLE before their next pass. Returns
  // when the last `done` has returned. May be called again, also with a
  // shorter grace while another call waits. Not from an owner thread.
  void Drain(Clock::Duration grace) ADV_EXCLUDES(mutex_);

  ExecutorStats stats() const ADV_EXCLUDES(mutex_);
  // Of each lane.
  int threads() const { return options_.threads; }
  int intra_op_threads() const { return options_.intra_op_threads; }
  Clock& clock() const { return *clock_; }

 private:
  // A job from Submit to its end.
  struct Task {
    JobOptions options;
    Job job;
    Done done;
    Clock::Time submitted;
    int64_t number = 0;     // in the order in which its lane accepted them
    bool hopeless = false;  // it would end too late, and others wait
    // While it runs, touched by its thread alone.
    bool in_pass = false;
    Clock::Time pass_start;
  };
  using TaskPtr = std::unique_ptr<Task>;
  // What waits of one identity in one lane.
  struct Line {
    std::deque<TaskPtr> tasks;
    // By model, the cost of all tasks, exempt ones too. None is 0.
    std::map<std::string, int64_t> backlog;
    // Of the tasks that the limits bind.
    int64_t cost = 0;
    int64_t bytes = 0;
    // The lane's turn at which its next task is due: the turn of the last one
    // and what that cost.
    double turn = 0;
  };
  struct LaneQueue {
    std::map<std::string, Line> lines;  // by identity
    double turn = 0;                    // of the task taken last
    CondVar work;                       // a task was queued, or draining began
    LaneStats stats;

    bool empty() const { return stats.queued_jobs == 0; }
  };

  // Submit in steps.
  absl::Status Admit(const JobOptions& options, size_t parts, LaneQueue& lane)
      ADV_REQUIRES(mutex_);
  absl::Status CheckTime(const JobOptions& options, size_t parts,
                         LaneQueue& lane) ADV_REQUIRES(mutex_);
  void Queue(TaskPtr task, LaneQueue& lane) ADV_REQUIRES(mutex_);
  void MoveDead(LaneQueue& lane) ADV_REQUIRES(mutex_);

  // Owner threads.
  void OwnerLoop(Lane lane) ADV_EXCLUDES(mutex_);
  TaskPtr TakeNext(Lane lane) ADV_EXCLUDES(mutex_);
  TaskPtr TakeDead() ADV_REQUIRES(mutex_);
  TaskPtr TakeFrom(LaneQueue& lane) ADV_REQUIRES(mutex_);
  void Unqueue(const Task& task) ADV_REQUIRES(mutex_);

  // A task's life.
  void RunTask(Task& task) ADV_EXCLUDES(mutex_);
  absl::Status CallJob(Task& task) ADV_EXCLUDES(mutex_);
  absl::Status BeforeEachPass(Task& task) ADV_EXCLUDES(mutex_);
  absl::Status Liveness(const JobOptions& options) const;
  void EndPass(Task& task) ADV_EXCLUDES(mutex_);
  void CountEnd(const Task& task, const absl::Status& status, double seconds)
      ADV_EXCLUDES(mutex_);

  // Seconds of one thread.
  double SecondsOf(const Line& line) const ADV_REQUIRES(mutex_);
  double SecondsOf(const LaneQueue& lane) const ADV_REQUIRES(mutex_);
  double SecondsAhead(const JobOptions& options) const ADV_REQUIRES(mutex_);
  Clock::Duration ExpectedWaitLocked(Lane lane) const ADV_REQUIRES(mutex_);
  Clock::Duration ExpectedEnd(const JobOptions& options, size_t parts) const
      ADV_REQUIRES(mutex_);
  Clock::Duration ExpectedRun(const std::string& model, int64_t cost) const
      ADV_REQUIRES(mutex_);
  bool idle() const ADV_REQUIRES(mutex_);

  ExecutorOptions options_;
  RealClock real_clock_;
  Clock* clock_;
  std::atomic<bool> stopped_{false};  // the grace is over

  mutable Mutex mutex_;
  CondVar idle_;  // a task ended, or a shorter grace was given
  bool draining_ ADV_GUARDED_BY(mutex_) = false;
  Clock::Time drain_end_ ADV_GUARDED_BY(mutex_) = Clock::Time::max();
  std::array<LaneQueue, kLanes> lanes_ ADV_GUARDED_BY(mutex_);
  // Cancelled or late while they waited in a full lane: they hold its room no
  // more, only their `done` is still to be called.
  std::deque<TaskPtr> dead_ ADV_GUARDED_BY(mutex_);
  ExecutorStats stats_ ADV_GUARDED_BY(mutex_);
  Speeds speeds_ ADV_GUARDED_BY(mutex_);

  std::vector<std::thread> threads_;
};

}  // namespace adv

#endif  // ADV_SERVER_COMPUTE_EXECUTOR_H_
