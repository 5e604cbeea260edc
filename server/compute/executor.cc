#include "server/compute/executor.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <utility>

#include "engine/nn/device.h"
#include "server/compute/exceptions.h"

namespace adv {
namespace {

ExecutorOptions Filled(ExecutorOptions options) {
  options.intra_op_threads = std::max(options.intra_op_threads, 1);
  if (options.threads <= 0) {
    options.threads = std::max(UsableCores() / options.intra_op_threads, 1);
  }
  if (options.workers <= 0) options.workers = options.threads;
  options.interactive_burst = std::max(options.interactive_burst, 1);
  return options;
}

}  // namespace

void SecondsHistogram::Add(double seconds) {
  // lower_bound finds the bound itself, which belongs to the range below it.
  const auto bound = std::lower_bound(kBounds.begin(), kBounds.end(), seconds);
  ++counts[bound - kBounds.begin()];
  sum += seconds;
}

Executor::Executor(const ExecutorOptions& options)
    : options_(Filled(options)),
      clock_(options.clock != nullptr ? options.clock : &real_clock_) {
  lanes_[static_cast<int>(Lane::kInteractive)].stats.limits =
      options_.interactive;
  lanes_[static_cast<int>(Lane::kBulk)].stats.limits = options_.bulk;
  stats_.threads = options_.threads;
  stats_.intra_op_threads = options_.intra_op_threads;
  for (int i = 0; i < options_.threads; ++i) {
    threads_.emplace_back([this] { OwnerLoop(); });
  }
}

Executor::~Executor() {
  Drain(Clock::Duration::zero());
  for (std::thread& thread : threads_) thread.join();
}

void Executor::OwnerLoop() {
  at::set_num_threads(options_.intra_op_threads);
  int streak = 0;  // interactive tasks since the last bulk task
  while (TaskPtr task = TakeNext(&streak)) RunTask(*task);
}

Executor::TaskPtr Executor::TakeNext(int* streak) {
  MutexLock lock(mutex_);
  LaneQueue& interactive = lanes_[static_cast<int>(Lane::kInteractive)];
  LaneQueue& bulk = lanes_[static_cast<int>(Lane::kBulk)];
  while (true) {
    if (!dead_.empty()) return TakeDead();
    // Interactive work goes first, but only a burst of it in a row.
    if (!interactive.tasks.empty() &&
        (bulk.tasks.empty() || *streak < options_.interactive_burst)) {
      ++*streak;
      return TakeFrom(interactive);
    }
    if (!bulk.tasks.empty()) {
      *streak = 0;
      return TakeFrom(bulk);
    }
    // Only with both lanes empty: a drain still ends all that was accepted.
    if (draining_) return nullptr;
    work_.Wait(mutex_);
  }
}

// The next task to run between two passes of a bulk job, or null. `counts` is
// set to false for a dead task, which takes no time.
Executor::TaskPtr Executor::TakeUrgent(bool* counts) {
  MutexLock lock(mutex_);
  *counts = dead_.empty();
  if (!dead_.empty()) return TakeDead();
  LaneQueue& interactive = lanes_[static_cast<int>(Lane::kInteractive)];
  return interactive.tasks.empty() ? nullptr : TakeFrom(interactive);
}

Executor::TaskPtr Executor::TakeDead() {
  TaskPtr task = std::move(dead_.front());
  dead_.pop_front();
  ++stats_.running_jobs;
  return task;
}

Executor::TaskPtr Executor::TakeFrom(LaneQueue& lane) {
  TaskPtr task = std::move(lane.tasks.front());
  lane.tasks.pop_front();
  Unqueue(*task);
  ++stats_.running_jobs;
  // Work for an answer that comes too late would make others late, too.
  const JobOptions& options = task->options;
  task->hopeless = options.deadline && !lane.tasks.empty() &&
                   clock_->Now() + ExpectedRun(options.model, options.cost) >=
                       *options.deadline;
  return task;
}

// Takes the task out of the lane's counts. The caller takes it off the deque.
void Executor::Unqueue(const Task& task) {
  LaneQueue& lane = lanes_[static_cast<int>(task.options.lane)];
  --lane.stats.queued_jobs;
  const auto backlog = lane.backlog.find(task.options.model);
  backlog->second -= task.options.cost;
  // Models come and go, so entries that are 0 must not stay.
  if (backlog->second == 0) lane.backlog.erase(backlog);
  if (!task.options.exempt) {
    lane.stats.queued_cost -= task.options.cost;
    lane.stats.queued_bytes -= task.options.bytes;
  }
  lane.stats.wait.Add(Seconds(clock_->Now() - task.submitted));
}

// Runs the job unless it is dead by now, and tells its end. A bulk job runs
// others through this function on the same stack.
void Executor::RunTask(Task& task) {
  absl::Status status = Liveness(task.options);
  if (status.ok() && task.hopeless) {
    status = absl::DeadlineExceededError(
        "the deadline would pass before the "
        "end, and others wait");
  }
  double seconds = 0;
  if (status.ok()) {
    const Clock::Time start = clock_->Now();
    status = CallJob(task);
    EndPass(task);
    seconds = Seconds(clock_->Now() - start) - task.others_seconds;
  }
  CountEnd(task, status, seconds);
  // The job goes before `done`: what waits for the end finds its memory free.
  task.job = nullptr;
  task.done(status);
  // What `done` holds is freed before Drain may return.
  task.done = nullptr;
  MutexLock lock(mutex_);
  // After `done`, because Drain promises that the last one has returned.
  --stats_.running_jobs;
  if (draining_) idle_.NotifyAll();
}

absl::Status Executor::CallJob(Task& task) {
  {
    MutexLock lock(mutex_);
    ++stats_.ops[task.options.op].started;
  }
  bool threw = false;
  absl::Status status = CatchExceptions(
      [this, &task] {
        return task.job([this, &task] { return BeforeEachPass(task); });
      },
      &threw);
  if (threw) {
    MutexLock lock(mutex_);
    ++stats_.exceptions;
  }
  return status;
}

absl::Status Executor::BeforeEachPass(Task& task) {
  EndPass(task);
  if (absl::Status status = Liveness(task.options); !status.ok()) {
    return status;
  }
  if (task.options.lane == Lane::kBulk) {
    // The jobs that run in between take time: the deadline may pass meanwhile.
    RunUrgentTasks(task);
    if (absl::Status status = Liveness(task.options); !status.ok()) {
      return status;
    }
  }
  task.in_pass = true;
  task.pass_start = clock_->Now();
  return absl::OkStatus();
}

void Executor::RunUrgentTasks(Task& bulk) {
  const Clock::Time start = clock_->Now();
  int streak = 0;
  while (streak < options_.interactive_burst) {
    bool counts = false;
    const TaskPtr task = TakeUrgent(&counts);
    if (task == nullptr) break;
    RunTask(*task);
    // Dead tasks only call their `done`: they take no turn from the others.
    if (counts) ++streak;
  }
  bulk.others_seconds += Seconds(clock_->Now() - start);
}

absl::Status Executor::Liveness(const JobOptions& options) const {
  if (options.cancel.cancelled()) return absl::CancelledError("cancelled");
  if (options.deadline && clock_->Now() >= *options.deadline) {
    return absl::DeadlineExceededError("the deadline has passed");
  }
  if (stopped_.load(std::memory_order_acquire)) {
    return absl::UnavailableError("the server is stopping");
  }
  return absl::OkStatus();
}

// Ends the pass that runs, if any. It was wasted if the caller left or the
// deadline passed meanwhile.
void Executor::EndPass(Task& task) {
  if (!task.in_pass) return;
  task.in_pass = false;
  const absl::Status status = Liveness(task.options);
  if (!absl::IsCancelled(status) && !absl::IsDeadlineExceeded(status)) return;
  MutexLock lock(mutex_);
  ++stats_.wasted_passes;
  stats_.wasted_seconds += Seconds(clock_->Now() - task.pass_start);
}

void Executor::CountEnd(const Task& task, const absl::Status& status,
                        double seconds) {
  MutexLock lock(mutex_);
  OpStats& op = stats_.ops[task.options.op];
  if (status.ok()) {
    ++op.succeeded;
  } else if (absl::IsCancelled(status)) {
    ++op.cancelled;
  } else if (absl::IsDeadlineExceeded(status)) {
    ++op.deadline_exceeded;
  } else {
    ++op.failed;
  }
  op.busy_seconds += seconds;
  stats_.busy_seconds += seconds;
  // A job that ended early did not do the work that its cost stands for.
  if (status.ok() && seconds > 0) {
    speeds_.Measure(task.options.model, static_cast<double>(task.options.cost),
                    seconds);
  }
}

bool Executor::idle() const {
  return stats_.running_jobs == 0 && dead_.empty() && lanes_[0].tasks.empty() &&
         lanes_[1].tasks.empty();
}

void Executor::Drain(Clock::Duration grace) {
  MutexLock lock(mutex_);
  draining_ = true;
  // A later call may shorten the grace and never makes it longer.
  drain_end_ = std::min(drain_end_, clock_->Now() + grace);
  work_.NotifyAll();
  idle_.NotifyAll();
  while (!idle()) {
    if (clock_->Now() >= drain_end_) {
      // Jobs see this before their next pass.
      stopped_.store(true, std::memory_order_release);
      idle_.Wait(mutex_);
    } else {
      clock_->WaitUntil(idle_, mutex_, drain_end_);
    }
  }
}

ExecutorStats Executor::stats() const {
  MutexLock lock(mutex_);
  ExecutorStats stats = stats_;
  // The lanes keep their own numbers. Those in stats_ stay empty.
  for (int i = 0; i < kLanes; ++i) stats.lanes[i] = lanes_[i].stats;
  return stats;
}

}  // namespace adv
