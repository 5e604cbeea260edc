// What runs, and in which order.
#include "server/compute/executor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/server/compute/executor_fixture.h"
#include "tests/server/gate.h"

namespace adv {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;

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
                          absl::Status status = before_pass();
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
                        absl::Status status = before_pass();
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
  clients.reserve(4);
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
