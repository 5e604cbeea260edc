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

TEST_F(ExecutorTest, NoLaneWaitsForTheOther) {
  for (const auto& [busy, other] : {std::make_pair(Interactive(), Bulk()),
                                    std::make_pair(Bulk(), Interactive())}) {
    Gate in_pass;
    StartExecutor();
    ASSERT_TRUE(executor_
                    ->Submit(
                        busy,
                        [&](const BeforePass&) {
                          in_pass.Pass();
                          return absl::OkStatus();
                        },
                        journal_.Ends("busy"))
                    .ok());
    in_pass.AwaitArrivals(1);
    ASSERT_TRUE(Submit("other", other).ok());
    EXPECT_TRUE(journal_.AwaitEnd("other").ok());
    in_pass.Open();
    executor_->Drain(seconds(0));
  }
}

TEST_F(ExecutorTest, AJobIsNotInterrupted) {
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
