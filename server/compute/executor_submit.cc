#include <absl/strings/str_cat.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "server/compute/executor.h"
#include "server/compute/executor_task.h"

// What the executor accepts, and what it says of the wait.
namespace adv {
namespace {

constexpr auto kLeastRetry = std::chrono::milliseconds(50);
constexpr auto kMostRetry = std::chrono::seconds(30);

absl::Status TooLarge(absl::string_view what, int64_t value, int64_t limit) {
  return absl::InvalidArgumentError(absl::StrCat(
      what, " of this request is ", value, ", must be at most ", limit));
}

}  // namespace

absl::Status Executor::Submit(JobOptions options, Job job, Done done) {
  options.cost = std::max<int64_t>(options.cost, 1);
  if (options.cancel.cancelled()) return Liveness(options);
  auto task = std::make_unique<Task>();
  task->job = std::move(job);
  task->done = std::move(done);
  task->submitted = clock_->Now();
  {
    MutexLock lock(mutex_);
    LaneQueue& lane = lanes_[static_cast<int>(options.lane)];
    if (absl::Status status = Admit(options, lane); !status.ok()) {
      return status;
    }
    ++lane.stats.accepted;
    ++lane.stats.queued_jobs;
    // Exempt jobs take no room in the lane, but others wait for them.
    lane.backlog[options.model] += options.cost;
    if (!options.exempt) {
      lane.stats.queued_cost += options.cost;
      lane.stats.queued_bytes += options.bytes;
    }
    task->options = std::move(options);
    lane.tasks.push_back(std::move(task));
  }
  // After unlocking, so that the thread that wakes up gets the lock.
  work_.NotifyOne();
  return absl::OkStatus();
}

absl::Status Executor::Admit(const JobOptions& options, LaneQueue& lane) {
  LaneStats& stats = lane.stats;
  if (draining_) {
    ++stats.rejected_draining;
    return absl::UnavailableError("the server is stopping");
  }
  const Clock::Duration wait = ExpectedWaitLocked(options.lane);
  if (options.deadline && clock_->Now() + wait >= *options.deadline) {
    ++stats.rejected_deadline;
    return absl::DeadlineExceededError(
        absl::StrCat("the deadline would pass before the expected start in ",
                     Seconds(wait), " s"));
  }
  // Exempt jobs still obey draining and their deadline.
  if (options.exempt) return absl::OkStatus();
  const LaneLimits& limits = stats.limits;
  if (options.cost > limits.cost || options.bytes > limits.bytes) {
    ++stats.rejected_too_large;
    return options.cost > limits.cost
               ? TooLarge("cost (images times passes)", options.cost,
                          limits.cost)
               : TooLarge("size in bytes", options.bytes, limits.bytes);
  }
  // Written as differences: sums of large costs would overflow.
  const auto full = [&] {
    return options.cost > limits.cost - stats.queued_cost ||
           options.bytes > limits.bytes - stats.queued_bytes;
  };
  // Looking through the lane takes time, so only a full lane is looked through.
  if (full()) MoveDead(lane);
  if (full()) {
    ++stats.rejected_full;
    return absl::ResourceExhaustedError(absl::StrCat(
        "the queue is full: cost ", stats.queued_cost, " of ", limits.cost,
        ", bytes ", stats.queued_bytes, " of ", limits.bytes));
  }
  return absl::OkStatus();
}

// Takes tasks that nobody waits for out of the lane, so that they free its
// room. Only an owner thread may call their `done`, so they go to a queue of
// their own.
void Executor::MoveDead(LaneQueue& lane) {
  const auto first_dead = std::stable_partition(
      lane.tasks.begin(), lane.tasks.end(),
      [this](const TaskPtr& task) { return Liveness(task->options).ok(); });
  for (auto task = first_dead; task != lane.tasks.end(); ++task) {
    Unqueue(**task);
    (*task)->job = nullptr;  // and with it the memory
    dead_.push_back(std::move(*task));
  }
  lane.tasks.erase(first_dead, lane.tasks.end());
}

Clock::Duration Executor::ExpectedWaitLocked(Lane lane) const {
  double seconds = 0;  // of one thread
  // Only this lane and the more urgent ones go first.
  for (int i = 0; i <= static_cast<int>(lane); ++i) {
    for (const auto& [model, cost] : lanes_[i].backlog) {
      const double speed = speeds_.Of(model).cost_per_second;
      // Before any job has ended, the speed is 0 and no wait is expected.
      if (speed > 0) seconds += static_cast<double>(cost) / speed;
    }
  }
  constexpr double kMost = 1e6;  // keeps sums of times in range
  const std::chrono::duration<double> wait(
      std::min(seconds / options_.threads, kMost));
  return std::chrono::duration_cast<Clock::Duration>(wait);
}

Clock::Duration Executor::ExpectedWait(Lane lane) const {
  MutexLock lock(mutex_);
  return ExpectedWaitLocked(lane);
}

Speed Executor::SpeedOf(const std::string& model) const {
  MutexLock lock(mutex_);
  return speeds_.Of(model);
}

Clock::Duration Executor::RetryAfter(Lane lane) const {
  return std::clamp<Clock::Duration>(ExpectedWait(lane), kLeastRetry,
                                     kMostRetry);
}

}  // namespace adv
