// Jobs in parts: admitted as one, run at the same time, ended as one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <new>
#include <string>
#include <utility>
#include <vector>

#include "server/compute/executor.h"
#include "tests/server/compute/executor_fixture.h"
#include "tests/server/gate.h"

namespace adv {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;

class ExecutorPartsTest : public ExecutorTest {
 protected:
  void Start(int threads) {
    ExecutorOptions options;
    options.threads = threads;
    options.interactive = options.bulk = {100, 100};
    StartExecutor(options);
  }
  absl::Status SubmitParts(const std::string& name, JobOptions options,
                           std::vector<Executor::Job> parts) {
    return executor_->SubmitParts(std::move(options), std::move(parts),
                                  journal_.Ends(name));
  }
  // Waits at the gate within its first pass, then asks for another.
  Executor::Job Held() {
    return [this](const BeforePass& before_pass) {
      if (absl::Status status = before_pass(); !status.ok()) return status;
      gate_.Pass();
      return before_pass();
    };
  }
};

TEST_F(ExecutorPartsTest, RunAtTheSameTimeAndEndOnce) {
  Start(2);
  ASSERT_TRUE(SubmitParts("parts", Bulk(), {Held(), Held()}).ok());
  gate_.AwaitArrivals(2);
  EXPECT_FALSE(journal_.ended("parts"));
  gate_.Open();
  EXPECT_EQ(journal_.AwaitEnd("parts"), absl::OkStatus());
  executor_->Drain(seconds(0));
  EXPECT_EQ(executor_->stats().ops.at("evaluate").succeeded, 2);
}

TEST_F(ExecutorPartsTest, AreAdmittedAsOne) {
  Start(1);
  Occupy(Bulk());
  JobOptions options = Bulk(101);
  EXPECT_TRUE(absl::IsInvalidArgument(
      SubmitParts("large", options, {Notes("l"), Notes("l")})));
  ASSERT_TRUE(Submit("first", Bulk(60)).ok());
  options.cost = 41;
  EXPECT_TRUE(absl::IsResourceExhausted(
      SubmitParts("refused", options, {Notes("r"), Notes("r")})));
  options.cost = 39;
  options.bytes = 7;
  ASSERT_TRUE(SubmitParts("fits", options, {Notes("f"), Notes("f")}).ok());
  const LaneStats lane =
      executor_->stats().lanes[static_cast<int>(Lane::kBulk)];
  EXPECT_EQ(lane.queued_jobs, 3);
  EXPECT_EQ(lane.queued_cost, 99);
  EXPECT_EQ(lane.queued_bytes, 7);
  gate_.Open();
  EXPECT_EQ(journal_.AwaitEnd("fits"), absl::OkStatus());
  EXPECT_THAT(journal_.events(), ElementsAre("first", "f", "f"));
}

// A part has no more turns than any other job.
TEST_F(ExecutorPartsTest, WaitForTheirTurnAmongOtherJobs) {
  Start(1);
  Occupy(Bulk());
  ASSERT_TRUE(Submit("before", Bulk()).ok());
  ASSERT_TRUE(
      SubmitParts("parts", Bulk(), {Passes("p", 2), Passes("p", 2)}).ok());
  ASSERT_TRUE(Submit("after", Bulk()).ok());
  gate_.Open();
  journal_.Await("after");
  EXPECT_THAT(journal_.events(),
              ElementsAre("before", "p", "p", "p", "p", "after"));
}

TEST_F(ExecutorPartsTest, LeaveTheOtherThreadsToOthers) {
  Start(3);
  ASSERT_TRUE(SubmitParts("parts", Bulk(), {Held(), Held()}).ok());
  gate_.AwaitArrivals(2);
  ASSERT_TRUE(Submit("other", Bulk()).ok());
  EXPECT_EQ(journal_.AwaitEnd("other"), absl::OkStatus());
  EXPECT_FALSE(journal_.ended("parts"));
  gate_.Open();
  journal_.Await("parts");
}

TEST_F(ExecutorPartsTest, APartThatFailsEndsTheOthersWithItsStatus) {
  Start(2);
  Gate failed;
  const auto fails = [this, &failed](const BeforePass&) {
    gate_.AwaitArrivals(1);
    failed.Pass();
    return absl::DataLossError("as the part says");
  };
  ASSERT_TRUE(
      SubmitParts("parts", Bulk(), {Held(), fails, Passes("never", 1)}).ok());
  failed.AwaitArrivals(1);
  failed.Open();
  // The third part ends on the thread of the second, before its first pass.
  while (executor_->stats().ops.at("evaluate").cancelled < 1) {
  }
  EXPECT_FALSE(journal_.ended("parts"));
  gate_.Open();
  EXPECT_EQ(journal_.AwaitEnd("parts"),
            absl::DataLossError("as the part says"));
  EXPECT_THAT(journal_.events(), ElementsAre());
}

TEST_F(ExecutorPartsTest, APartThatThrowsIsOneThatFails) {
  Start(1);
  const auto throws = [](const BeforePass&) -> absl::Status {
    throw std::bad_alloc();
  };
  ASSERT_TRUE(SubmitParts("parts", Bulk(), {throws, Passes("never", 1)}).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(journal_.AwaitEnd("parts")));
  EXPECT_THAT(journal_.events(), ElementsAre());
}

TEST_F(ExecutorPartsTest, ACancelledTokenEndsAllParts) {
  Start(2);
  const JobOptions options = Bulk();
  ASSERT_TRUE(
      SubmitParts("parts", options, {Held(), Held(), Passes("never", 1)}).ok());
  gate_.AwaitArrivals(2);
  options.cancel.Cancel();
  gate_.Open();
  EXPECT_TRUE(absl::IsCancelled(journal_.AwaitEnd("parts")));
  EXPECT_THAT(journal_.events(), ElementsAre());
  EXPECT_TRUE(absl::IsCancelled(SubmitParts("late", options, {Held()})));
}

TEST_F(ExecutorPartsTest, TheDeadlineEndsAllParts) {
  Start(2);
  JobOptions options = Bulk();
  options.deadline = clock_.Now() + seconds(1);
  ASSERT_TRUE(
      SubmitParts("parts", options, {Held(), Held(), Passes("never", 1)}).ok());
  gate_.AwaitArrivals(2);
  clock_.Advance(seconds(1));
  gate_.Open();
  EXPECT_TRUE(absl::IsDeadlineExceeded(journal_.AwaitEnd("parts")));
  EXPECT_THAT(journal_.events(), ElementsAre());
}

TEST_F(ExecutorPartsTest, OnlyWorkersWithoutAJobAreIdle) {
  ExecutorOptions options;
  options.threads = 8;
  options.workers = 2;
  StartExecutor(options);
  EXPECT_EQ(executor_->IdleWorkers(), 2);
  ASSERT_TRUE(SubmitParts("one", Bulk(), {Held()}).ok());
  gate_.AwaitArrivals(1);
  EXPECT_EQ(executor_->IdleWorkers(), 1);
  ASSERT_TRUE(SubmitParts("more", Bulk(), {Held(), Held()}).ok());
  EXPECT_EQ(executor_->IdleWorkers(), 0);
  gate_.Open();
  journal_.Await("more");
}

TEST_F(ExecutorPartsTest, ThreadsAreWorkersUnlessSaidOtherwise) {
  Start(3);
  EXPECT_EQ(executor_->IdleWorkers(), 3);
}

}  // namespace
}  // namespace adv
