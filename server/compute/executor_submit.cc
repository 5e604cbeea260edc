#include <absl/strings/str_cat.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "server/compute/executor.h"

// What the executor accepts, and what it says of the wait.
namespace adv {
namespace {

// A queue that is too long is full of jobs that are expected to end just before
// their deadlines. Without some time to spare, half of them would end after it.
constexpr double kCaution = 1.25;
constexpr auto kLeastRetry = std::chrono::milliseconds(50);
constexpr auto kMostRetry = std::chrono::seconds(30);

Clock::Duration ToDuration(double seconds) {
  constexpr double kMost = 1e6;  // keeps sums of times in range
  return std::chrono::duration_cast<Clock::Duration>(
      std::chrono::duration<double>(std::min(seconds, kMost)));
}

absl::Status TooLarge(absl::string_view what, int64_t value, int64_t limit) {
  return absl::InvalidArgumentError(absl::StrCat(
      what, " of this request is ", value, ", must be at most ", limit));
}

bool NeverFits(const JobOptions& options, const LaneLimits& limits) {
  return options.cost > limits.cost || options.bytes > limits.bytes;
}

// The end of a job in parts. The parts share it.
//
// Thread-safe.
class PartsEnd {
 public:
  PartsEnd(size_t parts, Executor::Done done)
      : left_(parts), done_(std::move(done)) {}

  // Whether a part has failed, so that the others need not go on.
  bool failed() const { return failed_; }

  // A part has ended. The last one ends the job.
  void End(const absl::Status& status) {
    Executor::Done done;
    absl::Status outcome;
    {
      MutexLock lock(mutex_);
      // The first reason stays: the other parts fail because of it.
      if (outcome_.ok()) outcome_ = status;
      if (!status.ok()) failed_ = true;
      if (--left_ > 0) return;
      outcome = outcome_;
      done = std::move(done_);
    }
    done(outcome);
  }

 private:
  std::atomic<bool> failed_{false};  // read before every pass, without the lock
  Mutex mutex_;
  size_t left_ ADV_GUARDED_BY(mutex_);
  absl::Status outcome_ ADV_GUARDED_BY(mutex_);
  Executor::Done done_ ADV_GUARDED_BY(mutex_);
};

// The part as a job of its own.
Executor::Job PartOf(std::shared_ptr<const PartsEnd> end, Executor::Job part) {
  return [end = std::move(end),
          part = std::move(part)](const BeforePass& before_pass) {
    return part([&end, &before_pass] {
      if (end->failed()) return absl::CancelledError("another part failed");
      return before_pass();
    });
  };
}

// The share of part `part` in `sum`. The shares add up to it.
int64_t Share(int64_t sum, size_t part, size_t parts) {
  const auto count = static_cast<int64_t>(parts);
  return sum / count + (static_cast<int64_t>(part) < sum % count ? 1 : 0);
}

}  // namespace

absl::Status Executor::Submit(JobOptions options, Job job, Done done) {
  std::vector<Job> parts;
  parts.push_back(std::move(job));
  return SubmitParts(std::move(options), std::move(parts), std::move(done));
}

absl::Status Executor::SubmitParts(JobOptions options, std::vector<Job> parts,
                                   Done done) {
  options.cost = std::max<int64_t>(options.cost, 1);
  if (options.cancel.cancelled()) return Liveness(options);
  const size_t count = parts.size();
  if (count > 1) {
    auto end = std::make_shared<PartsEnd>(count, std::move(done));
    for (Job& part : parts) part = PartOf(end, std::move(part));
    done = [end](const absl::Status& status) { end->End(status); };
  }
  CondVar* work = nullptr;
  {
    MutexLock lock(mutex_);
    LaneQueue& lane = lanes_[static_cast<int>(options.lane)];
    work = &lane.work;
    if (absl::Status status = Admit(options, count, lane); !status.ok()) {
      return status;
    }
    for (size_t i = 0; i < count; ++i) {
      auto task = std::make_unique<Task>();
      task->options = options;
      task->options.cost = std::max<int64_t>(Share(options.cost, i, count), 1);
      task->options.bytes = Share(options.bytes, i, count);
      task->job = std::move(parts[i]);
      task->done = done;
      Queue(std::move(task), lane);
    }
    // Under the lock no task has ended yet: the last of them frees what `done`
    // holds.
    done = nullptr;
  }
  // After unlocking, so that the threads that wake up get the lock.
  for (size_t i = 0; i < count; ++i) work->NotifyOne();
  return absl::OkStatus();
}

absl::Status Executor::Offer(const JobOptions& options) {
  MutexLock lock(mutex_);
  LaneQueue& lane = lanes_[static_cast<int>(options.lane)];
  // Submit is to tell that, with all else that is wrong with the request.
  if (NeverFits(options, lane.stats.limits)) return absl::OkStatus();
  return Admit(options, /*parts=*/1, lane);
}

void Executor::Queue(TaskPtr task, LaneQueue& lane) {
  const JobOptions& options = task->options;
  Line& line = lane.lines[options.identity];
  // Whoever asked for nothing meanwhile saves up no turns.
  if (line.tasks.empty()) line.turn = std::max(line.turn, lane.turn);
  task->submitted = clock_->Now();
  task->number = lane.stats.accepted;
  ++lane.stats.accepted;
  ++lane.stats.queued_jobs;
  // Exempt jobs take no room in the lane, but others wait for them.
  line.backlog[options.model] += options.cost;
  if (!options.exempt) {
    lane.stats.queued_cost += options.cost;
    lane.stats.queued_bytes += options.bytes;
    line.cost += options.cost;
    line.bytes += options.bytes;
  }
  line.tasks.push_back(std::move(task));
  // Identities come and go. One that nothing is known of any more is forgotten.
  for (auto one = lane.lines.begin(); one != lane.lines.end();) {
    const bool known =
        !one->second.tasks.empty() || one->second.turn > lane.turn;
    one = known ? std::next(one) : lane.lines.erase(one);
  }
}

int Executor::IdleWorkers() const {
  MutexLock lock(mutex_);
  int64_t idle = options_.workers - stats_.running_jobs;
  for (const LaneQueue& lane : lanes_) idle -= lane.stats.queued_jobs;
  return static_cast<int>(std::max<int64_t>(idle, 0));
}

absl::Status Executor::Admit(const JobOptions& options, size_t parts,
                             LaneQueue& lane) {
  LaneStats& stats = lane.stats;
  if (draining_) {
    ++stats.rejected_draining;
    return absl::UnavailableError("the server is stopping");
  }
  if (absl::Status status = CheckTime(options, parts, lane); !status.ok()) {
    return status;
  }
  // Exempt jobs still obey draining and their deadline.
  if (options.exempt) return absl::OkStatus();
  const LaneLimits& limits = stats.limits;
  if (NeverFits(options, limits)) {
    ++stats.rejected_too_large;
    return options.cost > limits.cost
               ? TooLarge("cost (images times passes)", options.cost,
                          limits.cost)
               : TooLarge("size in bytes", options.bytes, limits.bytes);
  }
  // Written as differences: sums of large costs would overflow.
  const auto full = [&] {
    const int64_t cost = limits.cost - stats.queued_cost - options.cost;
    const int64_t bytes = limits.bytes - stats.queued_bytes - options.bytes;
    if (cost < 0 || bytes < 0) return true;
    const auto line = lane.lines.find(options.identity);
    // Whoever has a name and jobs that wait leaves as much room as they take.
    return !options.identity.empty() && line != lane.lines.end() &&
           (line->second.cost > cost || line->second.bytes > bytes);
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

absl::Status Executor::CheckTime(const JobOptions& options, size_t parts,
                                 LaneQueue& lane) {
  if (!options.deadline) return absl::OkStatus();
  const Clock::Duration left = *options.deadline - clock_->Now();
  const Clock::Duration end = ExpectedEnd(options, parts);
  if (Seconds(left) > kCaution * Seconds(end)) return absl::OkStatus();
  ++lane.stats.rejected_deadline;
  return absl::DeadlineExceededError(absl::StrCat(
      "the deadline in ", Seconds(left),
      " s is too close to the expected end in ", Seconds(end), " s"));
}

// Takes tasks that nobody waits for out of the lane, so that they free its
// room. Only an owner thread may call their `done`, so they go to a queue of
// their own.
void Executor::MoveDead(LaneQueue& lane) {
  for (auto& [identity, line] : lane.lines) {
    const auto first_dead = std::stable_partition(
        line.tasks.begin(), line.tasks.end(),
        [this](const TaskPtr& task) { return Liveness(task->options).ok(); });
    for (auto task = first_dead; task != line.tasks.end(); ++task) {
      Unqueue(**task);
      (*task)->job = nullptr;  // and with it the memory
      dead_.push_back(std::move(*task));
    }
    line.tasks.erase(first_dead, line.tasks.end());
  }
}

double Executor::SecondsOf(const Line& line) const {
  double seconds = 0;
  for (const auto& [model, cost] : line.backlog) {
    const double speed = speeds_.Of(model).cost_per_second;
    // Before any job has ended, the speed is 0 and no wait is expected.
    if (speed > 0) seconds += static_cast<double>(cost) / speed;
  }
  return seconds;
}

double Executor::SecondsOf(const LaneQueue& lane) const {
  double seconds = 0;
  for (const auto& [identity, line] : lane.lines) seconds += SecondsOf(line);
  return seconds;
}

// In its lane, of jobs that go before this one.
double Executor::SecondsAhead(const JobOptions& options) const {
  const LaneQueue& lane = lanes_[static_cast<int>(options.lane)];
  const auto found = lane.lines.find(options.identity);
  const double own = found == lane.lines.end() ? 0 : SecondsOf(found->second);
  // Meanwhile each of the others has no more turns than this identity.
  const double most = own + Seconds(ExpectedRun(options.model, options.cost));
  double seconds = own;
  for (const auto& [identity, line] : lane.lines) {
    if (identity != options.identity) {
      seconds += std::min(SecondsOf(line), most);
    }
  }
  return seconds;
}

Clock::Duration Executor::ExpectedWaitLocked(Lane lane) const {
  double seconds = 0;
  // Only this lane and the more urgent ones go first.
  for (int i = 0; i <= static_cast<int>(lane); ++i) {
    seconds += SecondsOf(lanes_[i]);
  }
  return ToDuration(seconds / options_.threads);
}

// From now on, for a job in equal parts that is submitted now.
Clock::Duration Executor::ExpectedEnd(const JobOptions& options,
                                      size_t parts) const {
  double seconds = SecondsAhead(options);
  for (int i = 0; i < static_cast<int>(options.lane); ++i) {
    seconds += SecondsOf(lanes_[i]);
  }
  const Clock::Duration wait = ToDuration(seconds / options_.threads);
  // Where nobody waits, the job takes nobody's time. Whether it ends in time is
  // found out by running it.
  if (wait == Clock::Duration::zero()) return wait;
  return wait +
         ExpectedRun(options.model, options.cost / static_cast<int64_t>(parts));
}

Clock::Duration Executor::ExpectedRun(const std::string& model,
                                      int64_t cost) const {
  const double speed = speeds_.Of(model).cost_per_second;
  if (speed == 0) return Clock::Duration::zero();
  return ToDuration(static_cast<double>(cost) / speed);
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
