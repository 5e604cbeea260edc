// Who listens: what they hear, and what happens when they leave.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/evaluations/evaluation_runner.h"
#include "tests/server/evaluations/evaluation_runner_fixture.h"
#include "tests/server/gate.h"

namespace adv {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST_F(EvaluationRunnerTest, ProgressGrowsToTheReportsNumbers) {
  StartServer();
  hook_ = [this] { clock_.Advance(seconds(1)); };
  Follower listener;
  const StartedEvaluation started = StartOrDie(&listener);
  const v1::Evaluation end = listener.AwaitEnd();
  const auto progress = listener.progress();
  ASSERT_GE(progress.size(), 7u);  // one for each tile, more by the clock
  for (size_t i = 1; i < progress.size(); ++i) {
    EXPECT_GE(progress[i].samples_done(), progress[i - 1].samples_done());
  }
  const v1::EvaluationProgress& last = progress.back();
  EXPECT_EQ(last.samples_done(), kSamples);
  EXPECT_EQ(last.samples_total(), kSamples);
  EXPECT_EQ(last.clean_accuracy().count(),
            end.report().clean_accuracy().count());
  ASSERT_THAT(last.robust_accuracy(), SizeIs(4));
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(last.robust_accuracy(i).count(),
              end.report().results(i).overall().robust_accuracy().count());
  }
  EXPECT_GT(last.samples_per_second(), 0);
  EXPECT_EQ(last.eta_seconds(), 0);
}

TEST_F(EvaluationRunnerTest, LongTilesReportByTheClock) {
  StartServer();
  Gate gate;
  // FGSM's only gradient goes through, the first of IGSM waits.
  bool first = true;
  hook_ = [&gate, &first] {
    if (!std::exchange(first, false)) gate.Pass();
  };
  Follower listener;
  const StartedEvaluation started = StartOrDie(&listener);
  gate.AwaitArrivals(1);
  for (size_t i = 1; i <= 3; ++i) {
    clock_.AwaitWaiter();
    clock_.Advance(seconds(2));
    listener.AwaitProgress(i);
  }
  const auto progress = listener.progress();
  EXPECT_EQ(progress.back().samples_done(), 0);
  // That gradient and a verdict at each of two epsilons.
  const double done = kTile * (2 + 2);
  const double left = PlannedCost() - done;
  EXPECT_DOUBLE_EQ(progress[0].eta_seconds(), left / (done / 2));
  EXPECT_DOUBLE_EQ(progress[2].eta_seconds(), left / (done / 6));
  gate.Open();
  listener.AwaitEnd();
}

TEST_F(EvaluationRunnerTest, AnEarlierEvaluationForetellsTheEndOfTheNext) {
  StartServer();
  hook_ = [this] { clock_.Advance(seconds(1)); };
  Run();
  const Speed speed = executor_->SpeedOf("toy@1");
  ASSERT_TRUE(speed.of_model);
  Gate gate;
  hook_ = [&gate] { gate.Pass(); };
  Follower listener;
  const StartedEvaluation started = StartOrDie(&listener, /*seed=*/1);
  gate.AwaitArrivals(1);
  clock_.AwaitWaiter();
  clock_.Advance(seconds(2));
  listener.AwaitProgress(1);
  EXPECT_DOUBLE_EQ(listener.progress().front().eta_seconds(),
                   PlannedCost() / speed.cost_per_second);
  gate.Open();
  listener.AwaitEnd();
}

TEST_F(EvaluationRunnerTest, WaitingForATurnIsNoTimeOfComputing) {
  StartServer();
  Gate busy;
  JobOptions bulk;
  bulk.lane = Lane::kBulk;
  ASSERT_TRUE(executor_
                  ->Submit(
                      bulk,
                      [&busy](const BeforePass&) {
                        busy.Pass();
                        return absl::OkStatus();
                      },
                      [](const absl::Status&) {})
                  .ok());
  busy.AwaitArrivals(1);
  Follower listener;
  const StartedEvaluation started = StartOrDie(&listener);
  clock_.Advance(seconds(100));
  busy.Open();
  const v1::Evaluation end = listener.AwaitEnd();
  EXPECT_EQ(end.report().environment().wall_seconds(), 0);
}

TEST_F(EvaluationRunnerTest, WhileNothingIsKnownTheEndIsNot) {
  StartServer();
  Gate busy;
  // No tile begins while another job has the only thread of the lane.
  JobOptions bulk;
  bulk.lane = Lane::kBulk;
  ASSERT_TRUE(executor_
                  ->Submit(
                      bulk,
                      [&busy](const BeforePass&) {
                        busy.Pass();
                        return absl::OkStatus();
                      },
                      [](const absl::Status&) {})
                  .ok());
  busy.AwaitArrivals(1);
  Follower listener;
  const StartedEvaluation started = StartOrDie(&listener);
  clock_.AwaitWaiter();
  clock_.Advance(seconds(2));
  listener.AwaitProgress(1);
  EXPECT_EQ(listener.progress().front().eta_seconds(), -1);
  busy.Open();
  listener.AwaitEnd();
}

TEST_F(EvaluationRunnerTest, EndsWithTheLastOfThoseWhoWantThat) {
  StartServer();
  Gate gate;
  hook_ = [&gate] { gate.Pass(); };
  Follower first, second;
  const auto start = [this](Follower& listener, WhenLeft when_left) {
    auto started = runner_->Start(Toy(), listener.AsFunction(), when_left);
    EXPECT_TRUE(started.ok()) << started.status();
    return std::move(started->subscription);
  };
  const auto state = [this] { return runner_->Get(ToyId())->state(); };
  auto one = start(first, WhenLeft::kIsCancelled);
  auto other = start(second, WhenLeft::kIsCancelled);
  gate.AwaitArrivals(1);
  one.reset();
  runner_->CancelIfLeft(ToyId());
  EXPECT_EQ(state(), v1::EVALUATION_STATE_RUNNING);
  other.reset();
  EXPECT_EQ(state(), v1::EVALUATION_STATE_RUNNING);
  runner_->CancelIfLeft(ToyId());
  EXPECT_EQ(state(), v1::EVALUATION_STATE_CANCELLED);
  gate.Open();
  // Nobody hears the end, and the gate must outlive the tile.
  StopServer();
}

TEST_F(EvaluationRunnerTest, GoesOnIfOneOfThoseWhoAskedWantsThat) {
  StartServer();
  Gate gate;
  hook_ = [&gate] { gate.Pass(); };
  Follower leaves, detaches, watches;
  auto leaving =
      runner_->Start(Toy(), leaves.AsFunction(), WhenLeft::kIsCancelled);
  auto detaching = runner_->Start(Toy(), detaches.AsFunction());
  ASSERT_TRUE(leaving.ok() && detaching.ok());
  gate.AwaitArrivals(1);
  detaching->subscription.reset();
  leaving->subscription.reset();
  runner_->CancelIfLeft(ToyId());
  runner_->CancelIfLeft("unheard-of");
  const StartedEvaluation watching = StartOrDie(&watches);
  gate.Open();
  EXPECT_EQ(watches.AwaitEnd().state(), v1::EVALUATION_STATE_SUCCEEDED);
}

TEST_F(EvaluationRunnerTest, AnUnsubscribedListenerHearsNothing) {
  StartServer();
  Gate gate;
  hook_ = [&gate] { gate.Pass(); };
  Follower gone, stays;
  StartedEvaluation a = StartOrDie(&gone);
  const StartedEvaluation b = StartOrDie(&stays);
  a.subscription.reset();
  gate.Open();
  stays.AwaitEnd();
  EXPECT_THAT(gone.progress(), IsEmpty());
}

TEST_F(EvaluationRunnerTest, AListenerMayUnsubscribeItself) {
  StartServer();
  Gate gate;
  hook_ = [&gate] { gate.Pass(); };
  Follower stays;
  std::unique_ptr<Subscription> own;
  int heard = 0;
  auto started = runner_->Start(Toy(), [&](const EvaluationEvent&) {
    ++heard;
    own.reset();
  });
  ASSERT_TRUE(started.ok());
  own = std::move(started->subscription);
  const StartedEvaluation b = StartOrDie(&stays);
  gate.Open();
  stays.AwaitEnd();
  EXPECT_EQ(heard, 1);
}

TEST_F(EvaluationRunnerTest, TellsOfEachReportOnceWhoeverListens) {
  EvaluationRunnerOptions options;
  std::vector<std::string> reports;
  options.on_report = [&reports](const v1::EvaluationReport& report) {
    reports.push_back(report.records_sha256());
  };
  StartServer(1, options);
  Gate gate;
  hook_ = [&gate] { gate.Pass(); };
  Follower gone, stays;
  // The one who asked has left; the other is there to wait for the end.
  StartOrDie(&gone).subscription.reset();
  const StartedEvaluation started = StartOrDie(&stays);
  gate.Open();
  const v1::Evaluation end = stays.AwaitEnd();
  Follower again;
  StartOrDie(&again);  // as it is, from the store
  EXPECT_THAT(reports, ElementsAre(end.report().records_sha256()));
}

}  // namespace
}  // namespace adv
