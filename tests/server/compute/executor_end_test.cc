// What ends jobs early: cancellation, deadlines, exceptions, a drain.
#include <c10/util/Exception.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>

#include "server/compute/executor.h"
#include "tests/server/compute/executor_fixture.h"
#include "tests/server/gate.h"

namespace adv {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

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
                          absl::Status status = before_pass();
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
  JobOptions waiting = Bulk();  // for the only thread of its lane
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

TEST_F(ExecutorTest, ExceptionsBecomeStatusesAndTheThreadLives) {
  StartExecutor();
  const auto submit = [&](const std::string& name,
                          const std::function<void()>& thrower) {
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

TEST_F(ExecutorTest, DrainLetsAcceptedWorkFinish) {
  StartExecutor();
  Occupy(Bulk());
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
                          absl::Status status = before_pass();
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
  Occupy(Bulk());
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

}  // namespace
}  // namespace adv
