#ifndef ADV_TESTS_SERVER_COMPUTE_EXECUTOR_FIXTURE_H_
#define ADV_TESTS_SERVER_COMPUTE_EXECUTOR_FIXTURE_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/compute/executor.h"
#include "server/compute/mutex.h"
#include "tests/server/gate.h"
#include "tests/server/manual_clock.h"

namespace adv {

// Statuses of jobs by name, and the order in which things happened.
class Journal {
 public:
  void Note(const std::string& event) {
    MutexLock lock(mutex_);
    events_.push_back(event);
    changed_.NotifyAll();
  }
  // A Done that notes `name` and its status.
  Executor::Done Ends(const std::string& name) {
    return [this, name](const absl::Status& status) {
      MutexLock lock(mutex_);
      ends_[name] = status;
      changed_.NotifyAll();
    };
  }
  absl::Status AwaitEnd(const std::string& name) {
    MutexLock lock(mutex_);
    while (ends_.count(name) == 0) changed_.Wait(mutex_);
    return ends_[name];
  }
  void Await(const std::string& name) { AwaitEnd(name).IgnoreError(); }
  bool ended(const std::string& name) {
    MutexLock lock(mutex_);
    return ends_.count(name) != 0;
  }
  std::vector<std::string> events() {
    MutexLock lock(mutex_);
    return events_;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::vector<std::string> events_ ADV_GUARDED_BY(mutex_);
  std::map<std::string, absl::Status> ends_ ADV_GUARDED_BY(mutex_);
};

inline JobOptions Interactive(int64_t cost = 1) {
  JobOptions options;
  options.cost = cost;
  options.op = "classify";
  return options;
}

inline JobOptions Bulk(int64_t cost = 1) {
  JobOptions options = Interactive(cost);
  options.lane = Lane::kBulk;
  options.op = "evaluate";
  return options;
}

class ExecutorTest : public ::testing::Test {
 protected:
  void StartExecutor(ExecutorOptions options = {}) {
    if (options.threads == 0) options.threads = 1;
    options.clock = &clock_;
    executor_ = std::make_unique<Executor>(options);
  }
  // Keeps one owner thread of the job's lane busy until gate_ opens.
  void Occupy(JobOptions options = Interactive()) {
    ASSERT_TRUE(executor_
                    ->Submit(
                        std::move(options),
                        [this](const BeforePass&) {
                          gate_.Pass();
                          return absl::OkStatus();
                        },
                        journal_.Ends("occupier"))
                    .ok());
    gate_.AwaitArrivals(++occupied_);
  }
  Executor::Job Notes(const std::string& event) {
    return [this, event](const BeforePass&) {
      journal_.Note(event);
      return absl::OkStatus();
    };
  }
  // `passes` passes, each noted.
  Executor::Job Passes(const std::string& event, int passes) {
    return [this, event, passes](const BeforePass& before_pass) {
      for (int i = 0; i < passes; ++i) {
        if (absl::Status status = before_pass(); !status.ok()) return status;
        journal_.Note(event);
      }
      return absl::OkStatus();
    };
  }
  absl::Status Submit(const std::string& name, JobOptions options) {
    return executor_->Submit(std::move(options), Notes(name),
                             journal_.Ends(name));
  }

  ManualClock clock_;
  Gate gate_;
  int occupied_ = 0;  // threads
  Journal journal_;
  std::unique_ptr<Executor> executor_;
};

}  // namespace adv

#endif  // ADV_TESTS_SERVER_COMPUTE_EXECUTOR_FIXTURE_H_
