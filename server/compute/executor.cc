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
  stats_.threads = kLanes * options_.threads;
  stats_.intra_op_threads = options_.intra_op_threads;
  for (const Lane lane : {Lane::kInteractive, Lane::kBulk}) {
    for (int i = 0; i < options_.threads; ++i) {
      threads_.emplace_back([this, lane] { OwnerLoop(lane); });
    }
  }
}

Executor::~Executor() {
  Drain(Clock::Duration::zero());
  for (std::thread& thread : threads_) thread.join();
}

void Executor::OwnerLoop(Lane lane) {
  at::set_num_threads(options_.intra_op_threads);
  while (TaskPtr task = TakeNext(lane)) RunTask(*task);
}

Executor::TaskPtr Executor::TakeNext(Lane lane) {
  MutexLock lock(mutex_);
  LaneQueue& queue = lanes_[static_cast<int>(lane)];
  while (true) {
    if (!dead_.empty()) return TakeDead();
    if (!queue.empty()) return TakeFrom(queue);
    // Only with an empty lane: a drain still ends all that was accepted.
    if (draining_) return nullptr;
    queue.work.Wait(mutex_);
  }
}

Executor::TaskPtr Executor::TakeDead() {
  TaskPtr task = std::move(dead_.front());
  dead_.pop_front();
  ++stats_.running_jobs;
  return task;
}

// Of the identity whose turn it is; of several, of the one that came first.
Executor::TaskPtr Executor::TakeFrom(LaneQueue& lane) {
  Line* next = nullptr;
  for (auto& [identity, line] : lane.lines) {
    if (line.tasks.empty()) continue;
    const auto due = [](const Line& of) {
      return std::make_pair(of.turn, of.tasks.front()->number);
    };
    if (next == nullptr || due(line) < due(*next)) next = &line;
  }
  TaskPtr task = std::move(next->tasks.front());
  next->tasks.pop_front();
  lane.turn = next->turn;
  next->turn += static_cast<double>(task->options.cost);
  Unqueue(*task);
  ++stats_.running_jobs;
  // Work for an answer that comes too late would make others late, too.
  const JobOptions& options = task->options;
  task->hopeless = options.deadline && !lane.empty() &&
                   clock_->Now() + ExpectedRun(options.model, options.cost) >=
                       *options.deadline;
  return task;
}

// Takes the task out of the lane's counts. The caller takes it off the deque.
void Executor::Unqueue(const Task& task) {
  LaneQueue& lane = lanes_[static_cast<int>(task.options.lane)];
  Line& line = lane.lines[task.options.identity];
  --lane.stats.queued_jobs;
  const auto backlog = line.backlog.find(task.options.model);
  backlog->second -= task.options.cost;
  // Models come and go, so entries that are 0 must not stay.
  if (backlog->second == 0) line.backlog.erase(backlog);
  if (!task.options.exempt) {
    lane.stats.queued_cost -= task.options.cost;
    lane.stats.queued_bytes -= task.options.bytes;
    line.cost -= task.options.cost;
    line.bytes -= task.options.bytes;
  }
  lane.stats.wait.Add(Seconds(clock_->Now() - task.submitted));
}

// Runs the job unless it is dead by now, and tells its end.
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
    seconds = Seconds(clock_->Now() - start);
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
  task.in_pass = true;
  task.pass_start = clock_->Now();
  return absl::OkStatus();
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
  return stats_.running_jobs == 0 && dead_.empty() && lanes_[0].empty() &&
         lanes_[1].empty();
}

void Executor::Drain(Clock::Duration grace) {
  MutexLock lock(mutex_);
  draining_ = true;
  // A later call may shorten the grace and never makes it longer.
  drain_end_ = std::min(drain_end_, clock_->Now() + grace);
  for (LaneQueue& lane : lanes_) lane.work.NotifyAll();
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
