// What the lanes have room and time for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/compute/executor.h"
#include "tests/server/compute/executor_fixture.h"

namespace adv {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

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
  journal_.Await("e");

  const LaneStats lane = executor_->stats().lanes[0];
  EXPECT_EQ(lane.queued_jobs, 2);
  EXPECT_EQ(lane.queued_cost, 9);
  EXPECT_EQ(lane.queued_bytes, 900);
  EXPECT_EQ(lane.rejected_full, 2);
  gate_.Open();
  journal_.Await("c");
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
  Occupy(Bulk());
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

// An executor that was measured to do ten units of cost in a second.
class ExecutorTimeTest : public ExecutorTest {
 protected:
  void SetUp() override {
    StartExecutor();
    const auto job = [&](const BeforePass&) {
      clock_.Advance(seconds(2));
      return absl::OkStatus();
    };
    ASSERT_TRUE(
        executor_->Submit(Interactive(20), job, journal_.Ends("measured"))
            .ok());
    ASSERT_TRUE(journal_.AwaitEnd("measured").ok());
  }
};

// A slow model's jobs hold up the others for as long as they take, not as long
// as a fast one's would.
TEST_F(ExecutorTest, SpeedIsMeasuredForEachModel) {
  StartExecutor();
  const auto measure = [&](const std::string& model, int64_t took) {
    JobOptions options = Interactive(10);
    options.model = model;
    const auto job = [&](const BeforePass&) {
      clock_.Advance(seconds(took));
      return absl::OkStatus();
    };
    ASSERT_TRUE(executor_->Submit(options, job, journal_.Ends(model)).ok());
    ASSERT_TRUE(journal_.AwaitEnd(model).ok());
  };
  measure("fast", 1);
  measure("slow", 20);

  Occupy();
  JobOptions fast = Interactive(30), slow = Interactive(30);
  fast.model = "fast";
  slow.model = "slow";
  ASSERT_TRUE(Submit("a", fast).ok());
  EXPECT_EQ(executor_->ExpectedWait(Lane::kInteractive), seconds(3));
  ASSERT_TRUE(Submit("b", slow).ok());
  EXPECT_EQ(executor_->ExpectedWait(Lane::kInteractive), seconds(63));
  gate_.Open();
}

TEST_F(ExecutorTimeTest, RefusesAtOnceWhatCannotEndInTime) {
  EXPECT_EQ(executor_->ExpectedWait(Lane::kInteractive),
            Clock::Duration::zero());
  EXPECT_EQ(executor_->RetryAfter(Lane::kInteractive), milliseconds(50));

  Occupy();
  Occupy(Bulk());
  ASSERT_TRUE(Submit("ahead", Interactive(30)).ok());
  ASSERT_TRUE(Submit("bulk", Bulk(100)).ok());
  EXPECT_EQ(executor_->ExpectedWait(Lane::kInteractive), seconds(3));
  EXPECT_EQ(executor_->ExpectedWait(Lane::kBulk), seconds(13));
  EXPECT_EQ(executor_->RetryAfter(Lane::kInteractive), seconds(3));

  JobOptions late = Interactive(5);
  late.deadline = clock_.Now() + milliseconds(4375);
  const absl::Status status = Submit("late", late);
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("expected end in 3.5 s"));
  late.deadline = clock_.Now() + milliseconds(4376);
  EXPECT_TRUE(Submit("in time", late).ok());
  EXPECT_EQ(executor_->stats().lanes[0].rejected_deadline, 1);

  ASSERT_TRUE(Submit("far", Bulk(5000)).ok());
  EXPECT_EQ(executor_->RetryAfter(Lane::kBulk), seconds(30));
  gate_.Open();
}

// A measurement may be far off, and only jobs that run correct it.
TEST_F(ExecutorTimeTest, RunsWhatTakesNobodysTimeWhateverWasMeasured) {
  JobOptions options = Interactive(100);
  options.deadline = clock_.Now() + seconds(1);
  ASSERT_TRUE(Submit("alone", options).ok());
  EXPECT_TRUE(journal_.AwaitEnd("alone").ok());
  Occupy();
  ASSERT_TRUE(Submit("last", options).ok());
  gate_.Open();
  EXPECT_TRUE(journal_.AwaitEnd("last").ok());
}

TEST_F(ExecutorTimeTest, WhatWouldEndTooLateMakesNobodyElseLate) {
  Occupy();
  JobOptions options = Interactive(20);
  options.deadline = clock_.Now() + seconds(5);
  ASSERT_TRUE(Submit("late", options).ok());
  ASSERT_TRUE(Submit("other", Interactive()).ok());
  clock_.Advance(seconds(3));
  gate_.Open();
  EXPECT_EQ(journal_.AwaitEnd("late").code(),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(journal_.AwaitEnd("other").ok());
  EXPECT_EQ(journal_.events(), std::vector<std::string>{"other"});
}

TEST_F(ExecutorTimeTest, AnOfferIsRefusedAsTheJobWouldBe) {
  Occupy();
  EXPECT_TRUE(executor_->Offer(Interactive(30)).ok());
  ASSERT_TRUE(Submit("ahead", Interactive(30)).ok());
  JobOptions late = Interactive();
  late.deadline = clock_.Now() + seconds(3);
  EXPECT_EQ(executor_->Offer(late).code(), absl::StatusCode::kDeadlineExceeded);
  const LaneLimits limits = executor_->stats().lanes[0].limits;
  EXPECT_EQ(executor_->Offer(Interactive(limits.cost)).code(),
            absl::StatusCode::kResourceExhausted);
  // What never fits is left to Submit.
  EXPECT_TRUE(executor_->Offer(Interactive(limits.cost + 1)).ok());
  EXPECT_EQ(executor_->stats().lanes[0].rejected_deadline, 1);
  EXPECT_EQ(executor_->stats().lanes[0].rejected_full, 1);
  EXPECT_EQ(executor_->stats().lanes[0].queued_jobs, 1);
  gate_.Open();
}

}  // namespace
}  // namespace adv
