#include "server/evaluations/evaluation_runner.h"

#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "server/codec/deterministic_bytes.h"
#include "tests/server/evaluations/evaluation_runner_fixture.h"
#include "tests/server/gate.h"

namespace adv {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST_F(EvaluationRunnerTest, RunsToItsReport) {
  StartServer();
  hook_ = [this] { clock_.Advance(seconds(1)); };
  Follower listener;
  const StartedEvaluation started = StartOrDie(&listener);
  EXPECT_EQ(started.evaluation.id(), ToyId());
  EXPECT_THAT(started.evaluation.id(), SizeIs(64));
  EXPECT_EQ(started.evaluation.samples_total(), kSamples);
  const v1::Evaluation end = listener.AwaitEnd();
  ASSERT_EQ(end.state(), v1::EVALUATION_STATE_SUCCEEDED) << end.error();
  EXPECT_TRUE(end.has_finished_at());
  const v1::EvaluationReport& report = end.report();
  EXPECT_EQ(report.clean_accuracy().total(), kSamples);
  EXPECT_THAT(report.results(), SizeIs(4));
  EXPECT_THAT(report.records_sha256(), SizeIs(64));
  EXPECT_EQ(report.environment().device(), "CPU: toy");
  EXPECT_GT(report.environment().wall_seconds(), 0);
  EXPECT_EQ(report.environment().samples_per_second(),
            kSamples / report.environment().wall_seconds());
  EXPECT_EQ(report.class_names(2), "blue");

  const auto stored = runner_->Get(ToyId().substr(0, 8));
  ASSERT_TRUE(stored.ok()) << stored.status();
  EXPECT_EQ(DeterministicBytes(*stored), DeterministicBytes(end));
  EXPECT_THAT(runner_->Records(ToyId(), 100, "")->records, SizeIs(kSamples));
  EXPECT_EQ(runner_->stats().succeeded, 1);
  EXPECT_EQ(runner_->stats().images, kSamples);
}

TEST_F(EvaluationRunnerTest, TheSameSpecificationAttachesWhileItRuns) {
  StartServer();
  Gate gate;
  hook_ = [&gate] { gate.Pass(); };
  Follower first;
  Follower second;
  const StartedEvaluation a = StartOrDie(&first);
  gate.AwaitArrivals(1);
  const StartedEvaluation b = StartOrDie(&second);
  EXPECT_EQ(b.evaluation.id(), a.evaluation.id());
  EXPECT_EQ(b.evaluation.state(), v1::EVALUATION_STATE_RUNNING);
  EXPECT_EQ(runner_->stats().running, 1);
  gate.Open();
  EXPECT_EQ(first.AwaitEnd().report().records_sha256(),
            second.AwaitEnd().report().records_sha256());
  EXPECT_EQ(runner_->stats().images, kSamples);
}

TEST_F(EvaluationRunnerTest, TheSameSpecificationReturnsTheFinishedOne) {
  StartServer();
  const v1::Evaluation end = Run();
  Follower again;
  const StartedEvaluation started = StartOrDie(&again);
  EXPECT_EQ(DeterministicBytes(started.evaluation), DeterministicBytes(end));
  EXPECT_EQ(started.subscription, nullptr);
  EXPECT_EQ(runner_->stats().images, kSamples);
}

TEST_F(EvaluationRunnerTest, WhoeverReadsThatItSucceededReadsItsReport) {
  StartServer();
  for (uint64_t seed = 0; seed < 20; ++seed) {
    Follower listener;
    const StartedEvaluation started = StartOrDie(&listener, seed);
    absl::StatusOr<v1::Evaluation> seen;
    do {
      seen = runner_->Get(started.evaluation.id());
      ASSERT_TRUE(seen.ok()) << seen.status();
    } while (seen->state() != v1::EVALUATION_STATE_SUCCEEDED);
    EXPECT_TRUE(seen->has_report());
    listener.AwaitEnd();
  }
}

TEST_F(EvaluationRunnerTest, NeitherTileOrderNorWorkersChangeTheRecords) {
  StartServer(1);
  const std::string one = Run().report().records_sha256();
  StartServer(4);
  EXPECT_EQ(Run().report().records_sha256(), one);
  // The first tile waits until the second one is stored.
  StartServer(2);
  Gate gate;
  std::atomic<int> calls{0};
  hook_ = [&] {
    const int call = calls++;
    if (call == 0) gate.Pass();
    if (call == 60) gate.Open();
  };
  EXPECT_EQ(Run().report().records_sha256(), one);
}

TEST_F(EvaluationRunnerTest, ASourceCraftsOnceForAllTargets) {
  std::atomic<int> gradients{0};
  hook_ = [&gradients] { ++gradients; };
  // Records of transfers to two targets, and the gradients after each.
  const auto transfer = [&](int64_t crafted_bytes) {
    EvaluationRunnerOptions options;
    options.crafted_bytes = crafted_bytes;
    StartServer(1, options);
    gradients = 0;
    std::pair<std::vector<std::string>, std::vector<int>> seen;
    for (const double scale : {-4, 9}) {
      ResolvedEvaluation evaluation = Toy();
      auto target = std::make_shared<ServedModel>(*evaluation.model);
      target->manifest.set_name(absl::StrCat("target", scale));
      target->network = MakeChannelMeanNetwork({3, 2, 2}, scale);
      evaluation.model = target;
      evaluation.resolved.mutable_spec()->set_model(target->full_name());
      *evaluation.resolved.mutable_source_model() =
          evaluation.source_model->reference();
      *evaluation.resolved.mutable_model() = target->reference();
      Follower listener;
      const auto started =
          runner_->Start(std::move(evaluation), listener.AsFunction());
      EXPECT_TRUE(started.ok()) << started.status();
      seen.first.push_back(listener.AwaitEnd().report().records_sha256());
      seen.second.push_back(gradients);
    }
    return seen;
  };
  const auto [records, counts] = transfer(int64_t{1} << 20);
  EXPECT_NE(records[0], records[1]);
  EXPECT_EQ(counts[1], counts[0]);
  const auto [same_records, twice] = transfer(0);
  EXPECT_EQ(same_records, records);
  EXPECT_EQ(twice[1], 2 * twice[0]);
}

TEST_F(EvaluationRunnerTest, RefusesTooManyAtOnce) {
  EvaluationRunnerOptions options;
  options.concurrent = 2;
  StartServer(1, options);
  Gate gate;
  hook_ = [&gate] { gate.Pass(); };
  Follower a, b, c;
  const StartedEvaluation first = StartOrDie(&a, 1);
  const StartedEvaluation second = StartOrDie(&b, 2);
  const absl::Status status = runner_->Start(Toy(3), c.AsFunction()).status();
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("at most 2"));
  gate.Open();
  a.AwaitEnd();
  b.AwaitEnd();
  const StartedEvaluation third = StartOrDie(&c, 3);
  EXPECT_EQ(c.AwaitEnd().state(), v1::EVALUATION_STATE_SUCCEEDED);
}

TEST_F(EvaluationRunnerTest, ConcurrentEvaluationsShareTheExecutor) {
  StartServer();
  Gate gate;
  std::atomic<bool> first_call{true};
  hook_ = [&] {
    if (first_call.exchange(false)) gate.Pass();
  };
  Follower a, b;
  const StartedEvaluation first = StartOrDie(&a, 1);
  gate.AwaitArrivals(1);
  const StartedEvaluation second = StartOrDie(&b, 2);
  // When one ends, the other is not far behind.
  std::atomic<int64_t> others{-1};
  Follower c;
  auto attached = runner_->Start(Toy(1), [&](const EvaluationEvent& event) {
    if (std::holds_alternative<EvaluationEnd>(event)) {
      others = runner_->Get(ToyId(2))->samples_done();
    }
    c.AsFunction()(event);
  });
  gate.Open();
  c.AwaitEnd();
  b.AwaitEnd();
  EXPECT_GE(others, kSamples - 2 * kTile);
}

TEST_F(EvaluationRunnerTest, ListsAndDeletes) {
  StartServer();
  Run();
  EXPECT_THAT(runner_->List(10, "", "toy")->evaluations, SizeIs(1));
  EXPECT_THAT(runner_->List(10, "", "cat")->evaluations, IsEmpty());
  ASSERT_TRUE(runner_->Delete(ToyId().substr(0, 10)).ok());
  EXPECT_TRUE(absl::IsNotFound(runner_->Get(ToyId()).status()));
  EXPECT_TRUE(absl::IsNotFound(runner_->Delete(ToyId())));
  EXPECT_TRUE(absl::IsNotFound(runner_->Cancel(ToyId()).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(runner_->Get("x").status()));
}

TEST_F(EvaluationRunnerTest, DestructionEndsWhatRuns) {
  StartServer();
  Gate gate;
  hook_ = [&gate] { gate.Pass(); };
  Follower listener;
  const StartedEvaluation started = StartOrDie(&listener);
  gate.AwaitArrivals(1);
  gate.Open();
  runner_.reset();
  // Whichever came first, it ended.
  listener.AwaitEnd();
}

TEST(EvaluationIdTest, DependsOnEveryPartOfTheSpecification) {
  v1::ResolvedSpec spec;
  spec.mutable_spec()->set_seed(1);
  spec.mutable_model()->set_digest("a");
  const std::string id = EvaluationId(spec);
  EXPECT_EQ(id, EvaluationId(v1::ResolvedSpec(spec)));
  v1::ResolvedSpec other = spec;
  other.mutable_spec()->set_seed(2);
  EXPECT_NE(EvaluationId(other), id);
  other = spec;
  other.mutable_model()->set_digest("b");
  EXPECT_NE(EvaluationId(other), id);
}

}  // namespace
}  // namespace adv
