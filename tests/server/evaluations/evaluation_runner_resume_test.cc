// Evaluations that end early, and what asking for them again resumes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <string>

#include "server/codec/deterministic_bytes.h"
#include "server/evaluations/evaluation_runner.h"
#include "server/evaluations/tile_work.h"
#include "tests/server/evaluations/evaluation_runner_fixture.h"
#include "tests/server/evaluations/tamper.h"
#include "tests/server/gate.h"
#include "tests/server/temporary_folder.h"

namespace adv {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST_F(EvaluationRunnerTest, CancelEndsItBeforeItsNextPass) {
  StartServer();
  Gate gate;
  std::atomic<int> gradients{0};
  hook_ = [&] {
    if (++gradients == 30) gate.Pass();
  };
  Follower listener;
  const StartedEvaluation started = StartOrDie(&listener);
  gate.AwaitArrivals(1);
  const auto cancelled = runner_->Cancel(ToyId().substr(0, 6));
  ASSERT_TRUE(cancelled.ok()) << cancelled.status();
  EXPECT_EQ(cancelled->state(), v1::EVALUATION_STATE_CANCELLED);
  // Not gone yet.
  Follower early;
  EXPECT_TRUE(
      absl::IsAborted(runner_->Start(Toy(), early.AsFunction()).status()));
  EXPECT_TRUE(absl::IsAborted(runner_->Delete(ToyId())));
  gate.Open();
  const v1::Evaluation end = listener.AwaitEnd();
  EXPECT_EQ(end.state(), v1::EVALUATION_STATE_CANCELLED);
  EXPECT_EQ(gradients, 30);
  EXPECT_EQ(executor_->stats().wasted_passes, 1);
  // It has ended: cancelling changes nothing.
  EXPECT_EQ(runner_->Cancel(ToyId())->state(), v1::EVALUATION_STATE_CANCELLED);
  EXPECT_EQ(runner_->stats().cancelled, 1);
}

TEST_F(EvaluationRunnerTest, ResumesAfterCancelWithTheSameRecords) {
  StartServer();
  const v1::Evaluation whole = Run();

  StartServer();
  Gate gate;
  std::atomic<int> gradients{0};
  hook_ = [&] {
    if (++gradients == 100) gate.Pass();
  };
  Follower listener;
  StartedEvaluation started = StartOrDie(&listener);
  gate.AwaitArrivals(1);
  const RunningEvaluations now = runner_->stats().by_model.at("toy");
  EXPECT_EQ(now.images, kSamples);
  ASSERT_TRUE(runner_->Cancel(ToyId()).ok());
  gate.Open();
  const uint64_t done = listener.AwaitEnd().samples_done();
  EXPECT_GT(done, 0u);
  EXPECT_LT(done, uint64_t{kSamples});
  EXPECT_EQ(now.images_done, static_cast<int64_t>(done));
  EXPECT_TRUE(runner_->stats().by_model.empty());

  Follower resumed;
  started = StartOrDie(&resumed);
  EXPECT_EQ(started.evaluation.samples_done(), done);
  const v1::Evaluation end = resumed.AwaitEnd();
  ASSERT_EQ(end.state(), v1::EVALUATION_STATE_SUCCEEDED) << end.error();
  EXPECT_EQ(end.error(), "");
  EXPECT_EQ(end.report().records_sha256(), whole.report().records_sha256());
  EXPECT_EQ(runner_->stats().images, kSamples);  // none twice
  v1::EvaluationReport report = end.report();
  *report.mutable_environment() = whole.report().environment();
  EXPECT_EQ(DeterministicBytes(report), DeterministicBytes(whole.report()));
}

TEST_F(EvaluationRunnerTest, ResumesAfterTheServerWasStopped) {
  StartServer();
  const std::string whole = Run().report().records_sha256();

  const TemporaryFolder folder;
  const SqliteStoreOptions file{folder / "evaluations.db"};
  StartServer(1, {}, file);
  Gate gate;
  std::atomic<int> gradients{0};
  hook_ = [&] {
    if (++gradients == 100) gate.Pass();
  };
  Follower listener;
  {
    const StartedEvaluation started = StartOrDie(&listener);
    gate.AwaitArrivals(1);
    runner_->Stop();
    Follower late;
    EXPECT_TRUE(absl::IsUnavailable(
        runner_->Start(Toy(1), late.AsFunction()).status()));
    gate.Open();
    executor_->Drain(seconds(1000));  // the tile that runs may finish
    const v1::Evaluation end = listener.AwaitEnd();
    EXPECT_EQ(end.state(), v1::EVALUATION_STATE_CANCELLED);
    EXPECT_EQ(end.error(), "server stopped");
    EXPECT_EQ(end.samples_done() % kTile, 0u);
  }
  StartServer(1, {}, file);
  EXPECT_EQ(runner_->Get(ToyId())->state(), v1::EVALUATION_STATE_QUEUED);
  EXPECT_EQ(runner_->Get(ToyId())->error(), "");
  // Nobody asks for it again.
  Gate again;
  hook_ = [&] { again.Pass(); };
  runner_->GoOn(Resolver());
  again.AwaitArrivals(1);
  EXPECT_EQ(runner_->Get(ToyId())->state(), v1::EVALUATION_STATE_RUNNING);
  again.Open();
  EXPECT_EQ(Run().report().records_sha256(), whole);
  EXPECT_LT(runner_->stats().images, kSamples);
}

// As after a kill: the store says RUNNING, and the last tile is there but the
// report is not.
TEST_F(EvaluationRunnerTest, WritesAReportThatAKillPrevented) {
  const TemporaryFolder folder;
  const SqliteStoreOptions file{folder / "evaluations.db"};
  StartServer(1, {}, file);
  const v1::Evaluation end = Run();
  v1::Evaluation killed = end;
  killed.set_state(v1::EVALUATION_STATE_RUNNING);
  killed.clear_report();
  killed.clear_finished_at();
  ASSERT_TRUE(store_->Update(killed).ok());
  StartServer(1, {}, file);
  runner_->GoOn(Resolver());
  const v1::Evaluation again = Run();
  EXPECT_EQ(DeterministicBytes(again.report()),
            DeterministicBytes(end.report()));
  EXPECT_EQ(runner_->stats().images, 0);
}

// Each attack of a tile takes longer than what is worth keeping.
TEST_F(EvaluationRunnerTest, KeepsWhatTheAttacksOfATileCost) {
  StartServer();
  const std::string whole = Run().report().records_sha256();
  std::atomic<int> gradients{0};
  const int in_all = [&] {
    hook_ = [&] { ++gradients; };
    StartServer();
    Run();
    return gradients.exchange(0);
  }();

  const TemporaryFolder folder;
  const SqliteStoreOptions file{folder / "evaluations.db"};
  StartServer(1, {}, file);
  Gate gate;
  // In the first tile FGSM takes one gradient, and IGSM those after it.
  hook_ = [&] {
    clock_.Advance(kWorkWorthKeeping);
    if (++gradients == 3) gate.Pass();
  };
  Follower listener;
  const StartedEvaluation started = StartOrDie(&listener);
  gate.AwaitArrivals(1);
  EXPECT_THAT(*store_->UnfinishedBytes(ToyId()), SizeIs(kTile));
  ASSERT_TRUE(runner_->Cancel(ToyId()).ok());
  gate.Open();
  EXPECT_EQ(listener.AwaitEnd().samples_done(), 0);
  EXPECT_GT(store_->Spent(ToyId())->seconds, 0);

  gradients = 0;
  hook_ = [&] { ++gradients; };
  const v1::Evaluation end = Run();
  EXPECT_EQ(end.report().records_sha256(), whole);
  EXPECT_EQ(gradients, in_all - 1);  // FGSM's in the first tile
  EXPECT_THAT(*store_->UnfinishedBytes(ToyId()), IsEmpty());
}

TEST_F(EvaluationRunnerTest, MakesDamagedUnfinishedRecordsAgain) {
  StartServer();
  const std::string whole = Run().report().records_sha256();
  const TemporaryFolder folder;
  const SqliteStoreOptions file{folder / "evaluations.db"};
  StartServer(1, {}, file);
  v1::Evaluation cut_off = Run();
  cut_off.set_state(v1::EVALUATION_STATE_RUNNING);
  cut_off.clear_report();
  ASSERT_TRUE(store_->Update(cut_off).ok());
  StopServer();
  // Sample 7 is no record, sample 8 has too many attacks.
  Tamper(file.path,
         "INSERT INTO unfinished SELECT evaluation, sample, "
         "CASE sample WHEN 7 THEN x'ff' ELSE bytes || x'3200' END "
         "FROM records WHERE sample < 9;"
         "DELETE FROM records WHERE sample < 9;"
         "UPDATE evaluations SET samples_done = samples_done - 2");
  StartServer(1, {}, file);
  runner_->GoOn(Resolver());
  EXPECT_EQ(Run().report().records_sha256(), whole);
  EXPECT_EQ(runner_->stats().images, 2);
}

TEST_F(EvaluationRunnerTest, DoesNotGoOnWithoutThoseWhoAskedForThat) {
  const TemporaryFolder folder;
  const SqliteStoreOptions file{folder / "evaluations.db"};
  StartServer(1, {}, file);
  Gate gate;
  std::atomic<int> gradients{0};
  hook_ = [&] {
    if (++gradients == 1) gate.Pass();
  };
  Follower caller, other, patient;
  const auto started =
      runner_->Start(Toy(), caller.AsFunction(), WhenLeft::kIsCancelled);
  const auto kept =
      runner_->Start(Toy(1), other.AsFunction(), WhenLeft::kIsCancelled);
  // One who wants it to go on is enough.
  const auto joined = runner_->Start(Toy(1), patient.AsFunction());
  gate.AwaitArrivals(1);
  runner_->Stop();
  gate.Open();
  StopServer();
  StartServer(1, {}, file);
  Gate again;
  hook_ = [&] { again.Pass(); };
  runner_->GoOn(Resolver());
  EXPECT_EQ(runner_->Get(ToyId())->state(), v1::EVALUATION_STATE_CANCELLED);
  EXPECT_EQ(runner_->Get(ToyId())->error(), "server stopped");
  again.AwaitArrivals(1);
  EXPECT_EQ(runner_->Get(ToyId(1))->state(), v1::EVALUATION_STATE_RUNNING);
  again.Open();
  EXPECT_EQ(Run(1).state(), v1::EVALUATION_STATE_SUCCEEDED);
}

TEST_F(EvaluationRunnerTest, FailsWhatCannotGoOn) {
  const TemporaryFolder folder;
  const SqliteStoreOptions file{folder / "evaluations.db"};
  StartServer(1, {}, file);
  v1::Evaluation left;
  left.set_state(v1::EVALUATION_STATE_RUNNING);
  *left.mutable_resolved() = Toy(1).resolved;
  left.set_id(ToyId(1));
  left.mutable_resolved()->mutable_model()->set_digest("0ld");
  left.set_id(EvaluationId(left.resolved()));
  ASSERT_TRUE(store_->Create(left).ok());
  v1::Evaluation gone = left;
  gone.mutable_resolved()->mutable_spec()->set_model("gone@3");
  gone.set_id(EvaluationId(gone.resolved()));
  ASSERT_TRUE(store_->Create(gone).ok());
  StartServer(1, {}, file);
  runner_->GoOn(Resolver());
  const auto changed = runner_->Get(left.id());
  EXPECT_EQ(changed->state(), v1::EVALUATION_STATE_FAILED);
  EXPECT_TRUE(changed->has_finished_at());
  EXPECT_THAT(changed->error(),
              AllOf(HasSubstr("has changed"), HasSubstr("model 0ld")));
  EXPECT_EQ(runner_->Get(gone.id())->state(), v1::EVALUATION_STATE_FAILED);
  EXPECT_EQ(runner_->Get(gone.id())->error(), "cannot go on: no such model");
}

// QUEUED would say that somebody computes it.
TEST_F(EvaluationRunnerTest, ADamagedRecordFailsItWhenItResumes) {
  const TemporaryFolder folder;
  const SqliteStoreOptions file{folder / "evaluations.db"};
  StartServer(1, {}, file);
  v1::Evaluation cut_off = Run();
  cut_off.set_state(v1::EVALUATION_STATE_CANCELLED);
  cut_off.clear_report();
  ASSERT_TRUE(store_->Update(cut_off).ok());
  StopServer();
  Tamper(file.path, "UPDATE records SET bytes = x'ff' WHERE sample = 9");
  StartServer(1, {}, file);
  Follower listener;
  const absl::Status status =
      runner_->Start(Toy(), listener.AsFunction()).status();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  const auto stored = runner_->Get(ToyId());
  EXPECT_EQ(stored->state(), v1::EVALUATION_STATE_FAILED);
  EXPECT_THAT(stored->error(), HasSubstr("damaged"));
  EXPECT_EQ(runner_->stats().running, 0);
}

TEST_F(EvaluationRunnerTest, AFullDiskFailsItAndLosesNothing) {
  const TemporaryFolder folder;
  SqliteStoreOptions file{folder / "evaluations.db"};
  StartServer(1, {}, file);
  const std::string whole = Run().report().records_sha256();
  ASSERT_TRUE(runner_->Delete(ToyId()).ok());

  SqliteStoreOptions small{folder / "small.db"};
  small.max_bytes = 28 << 10;
  StartServer(1, {}, small);
  const v1::Evaluation failed = Run();
  ASSERT_EQ(failed.state(), v1::EVALUATION_STATE_FAILED);
  EXPECT_THAT(failed.error(), HasSubstr("no room on the disk"));
  EXPECT_EQ(runner_->Get(ToyId())->state(), v1::EVALUATION_STATE_FAILED);
  EXPECT_EQ(runner_->List(1, "", "")->evaluations[0].state(),
            v1::EVALUATION_STATE_FAILED);
  EXPECT_EQ(runner_->stats().failed, 1);
  const int64_t done = static_cast<int64_t>(failed.samples_done());
  EXPECT_LT(done, kSamples);

  small.max_bytes = 0;
  StartServer(1, {}, small);
  EXPECT_EQ(Run().report().records_sha256(), whole);
  EXPECT_EQ(runner_->stats().images, kSamples - done);
}

TEST_F(EvaluationRunnerTest, AnExceptionFailsItAndAskingAgainResumes) {
  StartServer();
  std::atomic<int> gradients{0};
  hook_ = [&] {
    if (++gradients == 100) throw std::runtime_error("broken device");
  };
  const v1::Evaluation failed = Run();
  ASSERT_EQ(failed.state(), v1::EVALUATION_STATE_FAILED);
  EXPECT_THAT(failed.error(), HasSubstr("broken device"));
  const v1::Evaluation end = Run();
  EXPECT_EQ(end.state(), v1::EVALUATION_STATE_SUCCEEDED) << end.error();
  EXPECT_EQ(end.error(), "");
}

}  // namespace
}  // namespace adv
