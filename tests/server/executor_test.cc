#include "server/executor.h"

#include <c10/util/Exception.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/server/gate.h"
#include "tests/server/manual_clock.h"

namespace adv {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

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

JobOptions Interactive(int64_t cost = 1) {
  JobOptions options;
  options.cost = cost;
  options.op = "classify";
  return options;
}

JobOptions Bulk(int64_t cost = 1) {
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
  // Keeps one owner thread busy until gate_ opens.
  void Occupy() {
    ASSERT_TRUE(executor_
                    ->Submit(
                        Interactive(),
                        [this](const BeforePass&) {
                          gate_.Pass();
                          return absl::OkStatus();
                        },
                        journal_.Ends("occupier"))
                    .ok());
    gate_.AwaitArrivals(1);
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
  Journal journal_;
  std::unique_ptr<Executor> executor_;
};

TEST_F(ExecutorTest, RunsAJobAndReportsItsStatus) {
  StartExecutor();
  ASSERT_TRUE(Submit("good", Interactive()).ok());
  ASSERT_TRUE(executor_
                  ->Submit(
                      Bulk(),
                      [](const BeforePass&) {
                        return absl::DataLossError("as the job says");
                      },
                      journal_.Ends("bad"))
                  .ok());
  EXPECT_EQ(journal_.AwaitEnd("good"), absl::OkStatus());
  EXPECT_EQ(journal_.AwaitEnd("bad"), absl::DataLossError("as the job says"));
  const ExecutorStats stats = executor_->stats();
  EXPECT_EQ(stats.ops.at("classify").succeeded, 1);
  EXPECT_EQ(stats.ops.at("evaluate").failed, 1);
}

TEST_F(ExecutorTest, ThreadCountDefaultsToUsableCores) {
  Executor executor{ExecutorOptions{}};
  EXPECT_GE(executor.threads(), 1);
  EXPECT_EQ(executor.intra_op_threads(), 1);
}

TEST_F(ExecutorTest, InteractiveGoesFirst) {
  StartExecutor();
  Occupy();
  ASSERT_TRUE(Submit("bulk", Bulk()).ok());
  ASSERT_TRUE(Submit("interactive", Interactive()).ok());
  gate_.Open();
  journal_.Await("bulk");
  EXPECT_THAT(journal_.events(), ElementsAre("interactive", "bulk"));
}

TEST_F(ExecutorTest, BulkTakesItsTurnAfterABurstOfInteractiveJobs) {
  ExecutorOptions options;
  options.interactive_burst = 3;
  StartExecutor(options);
  Occupy();  // the first of the burst
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(Submit("b" + std::to_string(i), Bulk()).ok());
  }
  for (int i = 0; i < 6; ++i) {
    ASSERT_TRUE(Submit("i" + std::to_string(i), Interactive()).ok());
  }
  gate_.Open();
  journal_.Await("i5");
  EXPECT_THAT(journal_.events(),
              ElementsAre("i0", "i1", "b0", "i2", "i3", "i4", "b1", "i5"));
}

TEST_F(ExecutorTest, InteractiveWaitsForOnePassOfBulkAtMost) {
  ExecutorOptions options;
  options.interactive_burst = 2;
  StartExecutor(options);
  Gate in_pass;
  ASSERT_TRUE(executor_
                  ->Submit(
                      Bulk(),
                      [&](const BeforePass& before_pass) {
                        for (int i = 0; i < 3; ++i) {
                          const absl::Status status = before_pass();
                          if (!status.ok()) return status;
                          journal_.Note("pass");
                          if (i == 0) in_pass.Pass();
                        }
                        return absl::OkStatus();
                      },
                      journal_.Ends("bulk"))
                  .ok());
  in_pass.AwaitArrivals(1);
  for (const char* name : {"i0", "i1", "i2"}) {
    ASSERT_TRUE(Submit(name, Interactive()).ok());
  }
  in_pass.Open();
  EXPECT_TRUE(journal_.AwaitEnd("bulk").ok());
  // Two make a burst, then a pass has its turn.
  EXPECT_THAT(journal_.events(),
              ElementsAre("pass", "i0", "i1", "pass", "i2", "pass"));
}

TEST_F(ExecutorTest, InteractiveJobsLetNobodyIn) {
  StartExecutor();
  Gate in_pass;
  ASSERT_TRUE(executor_
                  ->Submit(
                      Interactive(),
                      [&](const BeforePass& before_pass) {
                        if (!before_pass().ok()) return before_pass();
                        in_pass.Pass();
                        const absl::Status status = before_pass();
                        journal_.Note("first");
                        return status;
                      },
                      journal_.Ends("first"))
                  .ok());
  in_pass.AwaitArrivals(1);
  ASSERT_TRUE(Submit("second", Interactive()).ok());
  in_pass.Open();
  journal_.Await("second");
  EXPECT_THAT(journal_.events(), ElementsAre("first", "second"));
}

TEST_F(ExecutorTest, FullLaneRefusesByCostAndByBytes) {
  ExecutorOptions options;
  options.interactive = {10, 1000};
  StartExecutor(options);
  Occupy();
  ASSERT_TRUE(Submit("a", Interactive(8)).ok());
  const absl::Status by_cost = Submit("b", Interactive(3));
  EXPECT_EQ(by_cost.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(by_cost.message()), HasSubstr("cost 8 of 10"));

  JobOptions large = Interactive(1);
  large.bytes = 900;
  ASSERT_TRUE(Submit("c", large).ok());
  large.bytes = 101;
  const absl::Status by_bytes = Submit("d", large);
  EXPECT_EQ(by_bytes.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(by_bytes.message()), HasSubstr("bytes 900 of 1000"));
  // The other lane has its own room.
  EXPECT_TRUE(Submit("e", Bulk(100)).ok());

  const LaneStats lane = executor_->stats().lanes[0];
  EXPECT_EQ(lane.queued_jobs, 2);
  EXPECT_EQ(lane.queued_cost, 9);
  EXPECT_EQ(lane.queued_bytes, 900);
  EXPECT_EQ(lane.rejected_full, 2);
  gate_.Open();
  journal_.Await("e");
  EXPECT_EQ(executor_->stats().lanes[0].queued_cost, 0);
  EXPECT_EQ(executor_->stats().lanes[0].queued_bytes, 0);
  EXPECT_FALSE(journal_.ended("b"));
}

TEST_F(ExecutorTest, WhatNeverFitsIsTheRequestsFault) {
  ExecutorOptions options;
  options.interactive = {10, 1000};
  StartExecutor(options);
  absl::Status status = Submit("a", Interactive(11));
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("cost (images times passes) of this request is 11, "
                        "must be at most 10"));
  JobOptions large = Interactive(1);
  large.bytes = 1001;
  status = Submit("a", large);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("at most 1000"));
  EXPECT_EQ(executor_->stats().lanes[0].rejected_too_large, 2);
}

TEST_F(ExecutorTest, ExemptJobsAreNotBound) {
  ExecutorOptions options;
  options.bulk = {10, 1000};
  StartExecutor(options);
  Occupy();
  JobOptions tile = Bulk(1'000'000);
  tile.exempt = true;
  ASSERT_TRUE(Submit("tile", tile).ok());
  ASSERT_TRUE(Submit("fits", Bulk(10)).ok());
  EXPECT_EQ(executor_->stats().lanes[1].queued_cost, 10);
  gate_.Open();
  EXPECT_TRUE(journal_.AwaitEnd("fits").ok());
}

TEST_F(ExecutorTest, CancelledBeforeSubmitIsRefused) {
  StartExecutor();
  JobOptions options = Interactive();
  options.cancel.Cancel();
  EXPECT_EQ(Submit("a", options).code(), absl::StatusCode::kCancelled);
}

TEST_F(ExecutorTest, CancelledWhileQueuedNeverRuns) {
  StartExecutor();
  Occupy();
  const JobOptions options = Interactive();
  ASSERT_TRUE(Submit("a", options).ok());
  options.cancel.Cancel();
  gate_.Open();
  EXPECT_EQ(journal_.AwaitEnd("a").code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(journal_.events().empty());
  EXPECT_EQ(executor_->stats().ops.at("classify").cancelled, 1);
  EXPECT_EQ(executor_->stats().wasted_passes, 0);
}

TEST_F(ExecutorTest, CancelledJobsGiveTheirRoomToLivingOnes) {
  ExecutorOptions options;
  options.interactive = {10, 1000};
  StartExecutor(options);
  Occupy();
  const JobOptions dead = Interactive(10);
  ASSERT_TRUE(Submit("dead", dead).ok());
  EXPECT_FALSE(Submit("living", Interactive(10)).ok());
  dead.cancel.Cancel();
  EXPECT_TRUE(Submit("living", Interactive(10)).ok());
  EXPECT_EQ(executor_->stats().lanes[0].queued_cost, 10);
  gate_.Open();
  EXPECT_EQ(journal_.AwaitEnd("dead").code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(journal_.AwaitEnd("living").ok());
}

TEST_F(ExecutorTest, CancelledWhileRunningWastesOnePass) {
  StartExecutor();
  const JobOptions options = Bulk();
  Gate in_pass;
  int passes = 0;
  ASSERT_TRUE(executor_
                  ->Submit(
                      options,
                      [&](const BeforePass& before_pass) {
                        while (true) {
                          const absl::Status status = before_pass();
                          if (!status.ok()) return status;
                          if (++passes == 3) in_pass.Pass();
                          clock_.Advance(seconds(1));
                        }
                      },
                      journal_.Ends("a"))
                  .ok());
  in_pass.AwaitArrivals(1);
  options.cancel.Cancel();
  in_pass.Open();
  EXPECT_EQ(journal_.AwaitEnd("a").code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(passes, 3);
  const ExecutorStats stats = executor_->stats();
  EXPECT_EQ(stats.wasted_passes, 1);
  EXPECT_EQ(stats.wasted_seconds, 1);
  EXPECT_EQ(stats.busy_seconds, 3);
}

TEST_F(ExecutorTest, DeadlineEndsWaitingAndRunningJobs) {
  StartExecutor();
  JobOptions running = Bulk();
  running.deadline = clock_.Now() + seconds(2);
  ASSERT_TRUE(executor_
                  ->Submit(
                      running,
                      [&](const BeforePass& before_pass) {
                        gate_.Pass();
                        return before_pass();
                      },
                      journal_.Ends("running"))
                  .ok());
  gate_.AwaitArrivals(1);
  JobOptions waiting = Interactive();
  waiting.deadline = clock_.Now() + seconds(1);
  ASSERT_TRUE(Submit("waiting", waiting).ok());
  clock_.Advance(seconds(2));
  gate_.Open();
  EXPECT_EQ(journal_.AwaitEnd("running").code(),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(journal_.AwaitEnd("waiting").code(),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(journal_.events().empty());
}

// Ten cost units a second, measured.
TEST_F(ExecutorTest, RefusesAtOnceWhatCannotStartInTime) {
  StartExecutor();
  ASSERT_TRUE(executor_
                  ->Submit(
                      Interactive(20),
                      [&](const BeforePass&) {
                        clock_.Advance(seconds(2));
                        return absl::OkStatus();
                      },
                      journal_.Ends("measured"))
                  .ok());
  ASSERT_TRUE(journal_.AwaitEnd("measured").ok());
  EXPECT_EQ(executor_->ExpectedWait(Lane::kInteractive),
            Clock::Duration::zero());
  EXPECT_EQ(executor_->RetryAfter(Lane::kInteractive), milliseconds(50));

  Occupy();
  ASSERT_TRUE(Submit("ahead", Interactive(30)).ok());
  ASSERT_TRUE(Submit("bulk", Bulk(100)).ok());
  EXPECT_EQ(executor_->ExpectedWait(Lane::kInteractive), seconds(3));
  EXPECT_EQ(executor_->ExpectedWait(Lane::kBulk), seconds(13));
  EXPECT_EQ(executor_->RetryAfter(Lane::kInteractive), seconds(3));

  JobOptions late = Interactive();
  late.deadline = clock_.Now() + seconds(3);
  const absl::Status status = Submit("late", late);
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(std::string(status.message()), HasSubstr("expected start in 3"));
  late.deadline = clock_.Now() + milliseconds(3001);
  EXPECT_TRUE(Submit("in time", late).ok());
  EXPECT_EQ(executor_->stats().lanes[0].rejected_deadline, 1);

  ASSERT_TRUE(Submit("far", Bulk(5000)).ok());
  EXPECT_EQ(executor_->RetryAfter(Lane::kBulk), seconds(30));
  gate_.Open();
}

TEST_F(ExecutorTest, ExceptionsBecomeStatusesAndTheThreadLives) {
  StartExecutor();
  const auto submit = [&](const std::string& name,
                          std::function<void()> thrower) {
    EXPECT_TRUE(executor_
                    ->Submit(
                        Interactive(),
                        [thrower](const BeforePass&) {
                          thrower();
                          return absl::OkStatus();
                        },
                        journal_.Ends(name))
                    .ok());
    return journal_.AwaitEnd(name);
  };
  absl::Status status =
      submit("c10", [] { TORCH_CHECK(false, "shapes disagree"); });
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()), HasSubstr("shapes disagree"));
  // Without the stack's addresses.
  EXPECT_THAT(std::string(status.message()), Not(HasSubstr("frame #")));

  status = submit("cuda", [] {
    TORCH_CHECK(false, "CUDA out of memory. Tried to allocate 2 GiB");
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  status = submit("alloc", [] { throw std::bad_alloc(); });
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  status = submit("std", [] { throw std::runtime_error("odd"); });
  EXPECT_EQ(status, absl::InternalError("computing failed: odd"));
  status = submit("int", [] { throw 7; });
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_EQ(executor_->stats().exceptions, 5);
  ASSERT_TRUE(Submit("after", Interactive()).ok());
  EXPECT_TRUE(journal_.AwaitEnd("after").ok());
}

TEST_F(ExecutorTest, AnExceptionInAnUrgentJobDoesNotHarmTheBulkJob) {
  StartExecutor();
  Gate in_pass;
  ASSERT_TRUE(executor_
                  ->Submit(
                      Bulk(),
                      [&](const BeforePass& before_pass) {
                        in_pass.Pass();
                        return before_pass();
                      },
                      journal_.Ends("bulk"))
                  .ok());
  in_pass.AwaitArrivals(1);
  ASSERT_TRUE(executor_
                  ->Submit(
                      Interactive(),
                      [](const BeforePass&) -> absl::Status {
                        throw std::runtime_error("odd");
                      },
                      journal_.Ends("thrower"))
                  .ok());
  in_pass.Open();
  EXPECT_EQ(journal_.AwaitEnd("thrower").code(), absl::StatusCode::kInternal);
  EXPECT_TRUE(journal_.AwaitEnd("bulk").ok());
}

TEST_F(ExecutorTest, TimeOfUrgentJobsIsNotTheBulkJobs) {
  StartExecutor();
  Gate in_pass;
  ASSERT_TRUE(executor_
                  ->Submit(
                      Bulk(),
                      [&](const BeforePass& before_pass) {
                        in_pass.Pass();
                        clock_.Advance(seconds(1));
                        return before_pass();
                      },
                      journal_.Ends("bulk"))
                  .ok());
  in_pass.AwaitArrivals(1);
  ASSERT_TRUE(executor_
                  ->Submit(
                      Interactive(),
                      [&](const BeforePass&) {
                        clock_.Advance(seconds(5));
                        return absl::OkStatus();
                      },
                      journal_.Ends("urgent"))
                  .ok());
  in_pass.Open();
  journal_.Await("bulk");
  const ExecutorStats stats = executor_->stats();
  EXPECT_EQ(stats.ops.at("evaluate").busy_seconds, 1);
  EXPECT_EQ(stats.ops.at("classify").busy_seconds, 5);
  EXPECT_EQ(stats.busy_seconds, 6);
  // The urgent job waited for a second.
  EXPECT_EQ(stats.lanes[0].wait.sum, 1);
  EXPECT_EQ(stats.lanes[0].wait.counts[6], 1);
}

TEST_F(ExecutorTest, DrainLetsAcceptedWorkFinish) {
  StartExecutor();
  Occupy();
  ASSERT_TRUE(
      executor_->Submit(Bulk(), Passes("pass", 2), journal_.Ends("queued"))
          .ok());
  std::thread drain([&] { executor_->Drain(seconds(10)); });
  clock_.AwaitWaiter();
  const absl::Status status = Submit("late", Interactive());
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  gate_.Open();
  drain.join();
  EXPECT_TRUE(journal_.ended("occupier"));
  EXPECT_TRUE(journal_.AwaitEnd("queued").ok());
  EXPECT_THAT(journal_.events(), ElementsAre("pass", "pass"));
  EXPECT_EQ(executor_->stats().lanes[0].rejected_draining, 1);
}

TEST_F(ExecutorTest, DrainEndsWorkAfterTheGrace) {
  StartExecutor();
  ASSERT_TRUE(executor_
                  ->Submit(
                      Bulk(),
                      [&](const BeforePass& before_pass) {
                        gate_.Pass();
                        while (true) {  // for ever, if it were let
                          const absl::Status status = before_pass();
                          if (!status.ok()) return status;
                          std::this_thread::yield();
                        }
                      },
                      journal_.Ends("running"))
                  .ok());
  gate_.AwaitArrivals(1);
  ASSERT_TRUE(Submit("queued", Bulk()).ok());
  std::thread drain([&] { executor_->Drain(seconds(10)); });
  clock_.AwaitWaiter();
  gate_.Open();
  clock_.Advance(seconds(9));
  EXPECT_FALSE(journal_.ended("running"));
  clock_.Advance(seconds(1));
  drain.join();
  EXPECT_EQ(journal_.AwaitEnd("running").code(),
            absl::StatusCode::kUnavailable);
  EXPECT_EQ(journal_.AwaitEnd("queued").code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(journal_.events().empty());
  EXPECT_EQ(executor_->stats().wasted_passes, 0);
}

TEST_F(ExecutorTest, ASecondDrainMayShortenTheGrace) {
  StartExecutor();
  Occupy();
  ASSERT_TRUE(Submit("queued", Bulk()).ok());
  std::thread drain([&] { executor_->Drain(seconds(10)); });
  clock_.AwaitWaiter();
  std::thread second([&] {
    executor_->Drain(Clock::Duration::zero());
    journal_.Note("second");
  });
  gate_.Open();
  drain.join();
  second.join();
  EXPECT_TRUE(journal_.ended("queued"));
  EXPECT_EQ(journal_.events().back(), "second");
}

TEST_F(ExecutorTest, EveryJobEndsOnceUnderLoadFromManyThreads) {
  ExecutorOptions options;
  options.threads = 3;
  options.interactive = {16, 1 << 20};
  options.bulk = {16, 1 << 20};
  StartExecutor(options);
  std::atomic<int> accepted{0};
  std::atomic<int> refused{0};
  std::atomic<int> ended{0};
  std::vector<std::thread> clients;
  for (int client = 0; client < 4; ++client) {
    clients.emplace_back([&, client] {
      for (int i = 0; i < 200; ++i) {
        JobOptions job = (i + client) % 3 == 0 ? Bulk(4) : Interactive(4);
        const CancelToken cancel = job.cancel;
        const absl::Status status = executor_->Submit(
            std::move(job),
            [](const BeforePass& before_pass) {
              for (int pass = 0; pass < 3; ++pass) {
                if (absl::Status alive = before_pass(); !alive.ok()) {
                  return alive;
                }
              }
              return absl::OkStatus();
            },
            [&](const absl::Status&) { ++ended; });
        ++(status.ok() ? accepted : refused);
        if (i % 5 == 0) cancel.Cancel();
        const ExecutorStats stats = executor_->stats();
        EXPECT_LE(stats.lanes[0].queued_cost, 16);
        EXPECT_LE(stats.lanes[1].queued_cost, 16);
      }
    });
  }
  for (std::thread& client : clients) client.join();
  executor_->Drain(seconds(1000));
  EXPECT_EQ(accepted + refused, 800);
  EXPECT_EQ(ended, accepted);
  EXPECT_EQ(executor_->stats().running_jobs, 0);
}

}  // namespace
}  // namespace adv
