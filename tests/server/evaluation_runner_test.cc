#include "server/evaluation_runner.h"

#include <ATen/ATen.h>
#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "server/deterministic_bytes.h"
#include "tests/engine/toy_network.h"
#include "tests/server/gate.h"
#include "tests/server/manual_clock.h"
#include "tests/server/temporary_folder.h"

namespace adv {
namespace {

using std::chrono::seconds;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr int64_t kSamples = 50;
constexpr int64_t kTile = 8;  // seven tiles, the last of two samples

// The toy network, which calls a hook before each gradient.
class HookedNetwork final : public Network {
 public:
  explicit HookedNetwork(std::function<void()> hook)
      : network_(MakeChannelMeanNetwork({3, 2, 2}, 4)),
        hook_(std::move(hook)) {}

  int64_t num_classes() const override { return 3; }
  std::vector<int64_t> image_shape() const override { return {3, 2, 2}; }
  at::Device device() const override { return at::kCPU; }
  at::Tensor Logits(const at::Tensor& images) const override {
    return network_->Logits(images);
  }
  LogitsAndGradient InputGradient(
      const at::Tensor& images,
      const LogitGradient& loss_gradient) const override {
    hook_();
    return network_->InputGradient(images, loss_gradient);
  }

 private:
  const std::shared_ptr<const Network> network_;
  const std::function<void()> hook_;
};

// What a listener heard.
class Listener {
 public:
  EvaluationListener AsFunction() {
    return [this](const EvaluationEvent& event) {
      MutexLock lock(mutex_);
      if (const auto* progress = std::get_if<v1::EvaluationProgress>(&event)) {
        EXPECT_FALSE(ended_) << "progress after the end";
        progress_.push_back(*progress);
      } else {
        EXPECT_FALSE(ended_) << "two ends";
        ended_ = true;
        end_ = std::get<v1::Evaluation>(event);
      }
      changed_.NotifyAll();
    };
  }
  v1::Evaluation AwaitEnd() {
    MutexLock lock(mutex_);
    while (!ended_) changed_.Wait(mutex_);
    return end_;
  }
  void AwaitProgress(size_t count) {
    MutexLock lock(mutex_);
    while (progress_.size() < count) changed_.Wait(mutex_);
  }
  std::vector<v1::EvaluationProgress> progress() {
    MutexLock lock(mutex_);
    return progress_;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::vector<v1::EvaluationProgress> progress_ ADV_GUARDED_BY(mutex_);
  v1::Evaluation end_ ADV_GUARDED_BY(mutex_);
  bool ended_ ADV_GUARDED_BY(mutex_) = false;
};

class EvaluationRunnerTest : public ::testing::Test {
 protected:
  EvaluationRunnerTest() {
    Dataset dataset;
    dataset.name = "toy";
    dataset.class_names = {"red", "green", "blue"};
    at::manual_seed(5);
    dataset.images = at::randint(0, 256, {60, 3, 2, 2}, at::kByte);
    dataset.labels = at::randint(0, 3, {60}, at::kLong);
    dataset_ = std::make_shared<const Dataset>(std::move(dataset));
  }

  void StartServer(int threads = 1, EvaluationRunnerOptions options = {},
                   EvaluationStoreOptions store = {}) {
    StopServer();
    ExecutorOptions executor;
    executor.threads = threads;
    executor.clock = &clock_;
    executor_ = std::make_unique<Executor>(executor);
    auto opened = EvaluationStore::Open(store);
    ASSERT_TRUE(opened.ok()) << opened.status();
    store_ = *std::move(opened);
    options.environment.set_device("CPU: toy");
    runner_ = std::make_unique<EvaluationRunner>(executor_.get(), store_.get(),
                                                 options);
  }
  void StopServer() {
    runner_.reset();
    executor_.reset();
    store_.reset();
  }

  // The same but for the seed, which makes it another evaluation.
  ResolvedEvaluation Toy(uint64_t seed = 0) {
    ResolvedEvaluation evaluation;
    auto model = std::make_shared<ServedModel>();
    model->manifest.set_name("toy");
    model->manifest.set_version(1);
    model->network = std::make_shared<HookedNetwork>([this] { hook_(); });
    evaluation.model = evaluation.source_model = model;
    evaluation.dataset = dataset_;
    // Not all of the data set, and not from its start.
    for (int64_t i = 0; i < kSamples; ++i) evaluation.indices.push_back(i + 7);
    evaluation.plan.attacks = {FgsmConfig{}, IgsmConfig{}};
    evaluation.plan.epsilons = {4. / 255, 32. / 255};
    evaluation.plan.tile_size = kTile;
    evaluation.plan.seed = seed;
    v1::EvaluationSpec* spec = evaluation.resolved.mutable_spec();
    spec->set_model("toy@1");
    spec->set_seed(seed);
    spec->add_attacks()->mutable_fgsm();
    spec->add_attacks()->mutable_igsm();
    spec->add_epsilons()->set_pixels(4. / 255);
    spec->add_epsilons()->set_pixels(32. / 255);
    *evaluation.resolved.mutable_model() = model->reference();
    return evaluation;
  }
  std::string ToyId(uint64_t seed = 0) {
    return EvaluationId(Toy(seed).resolved);
  }
  StartedEvaluation StartOrDie(Listener* listener, uint64_t seed = 0) {
    auto started = runner_->Start(Toy(seed), listener->AsFunction());
    EXPECT_TRUE(started.ok()) << started.status();
    return *std::move(started);
  }
  // From the start to the end without disturbance.
  v1::Evaluation Run() {
    Listener listener;
    const StartedEvaluation started = StartOrDie(&listener);
    return listener.AwaitEnd();
  }

  ManualClock clock_;
  std::shared_ptr<const Dataset> dataset_;
  std::function<void()> hook_ = [] {};  // before each gradient
  std::unique_ptr<EvaluationStore> store_;
  std::unique_ptr<Executor> executor_;
  std::unique_ptr<EvaluationRunner> runner_;
};

TEST_F(EvaluationRunnerTest, RunsToItsReport) {
  StartServer();
  hook_ = [this] { clock_.Advance(seconds(1)); };
  Listener listener;
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

TEST_F(EvaluationRunnerTest, ProgressGrowsToTheReportsNumbers) {
  StartServer();
  hook_ = [this] { clock_.Advance(seconds(1)); };
  Listener listener;
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
  hook_ = [&gate] { gate.Pass(); };
  Listener listener;
  const StartedEvaluation started = StartOrDie(&listener);
  gate.AwaitArrivals(1);
  for (size_t i = 1; i <= 3; ++i) {
    clock_.AwaitWaiter();
    clock_.Advance(seconds(2));
    listener.AwaitProgress(i);
  }
  EXPECT_EQ(listener.progress().back().samples_done(), 0);
  EXPECT_EQ(listener.progress().back().eta_seconds(), -1);
  gate.Open();
  listener.AwaitEnd();
}

TEST_F(EvaluationRunnerTest, TheSameSpecificationAttachesWhileItRuns) {
  StartServer();
  Gate gate;
  hook_ = [&gate] { gate.Pass(); };
  Listener first;
  Listener second;
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
  Listener again;
  const StartedEvaluation started = StartOrDie(&again);
  EXPECT_EQ(DeterministicBytes(started.evaluation), DeterministicBytes(end));
  EXPECT_EQ(started.subscription, nullptr);
  EXPECT_EQ(runner_->stats().images, kSamples);
}

TEST_F(EvaluationRunnerTest, WhoeverReadsThatItSucceededReadsItsReport) {
  StartServer();
  for (uint64_t seed = 0; seed < 20; ++seed) {
    Listener listener;
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

TEST_F(EvaluationRunnerTest, CancelEndsItBeforeItsNextPass) {
  StartServer();
  Gate gate;
  std::atomic<int> gradients{0};
  hook_ = [&] {
    if (++gradients == 30) gate.Pass();
  };
  Listener listener;
  const StartedEvaluation started = StartOrDie(&listener);
  gate.AwaitArrivals(1);
  const auto cancelled = runner_->Cancel(ToyId().substr(0, 6));
  ASSERT_TRUE(cancelled.ok()) << cancelled.status();
  EXPECT_EQ(cancelled->state(), v1::EVALUATION_STATE_CANCELLED);
  // Not gone yet.
  Listener early;
  EXPECT_TRUE(
      absl::IsAborted(runner_->Start(Toy(), early.AsFunction()).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(runner_->Delete(ToyId())));
  gate.Open();
  const v1::Evaluation end = listener.AwaitEnd();
  EXPECT_EQ(end.state(), v1::EVALUATION_STATE_CANCELLED);
  EXPECT_EQ(gradients, 30);
  EXPECT_EQ(executor_->stats().wasted_passes, 1);
  // It has ended: cancelling changes nothing.
  EXPECT_EQ(runner_->Cancel(ToyId())->state(), v1::EVALUATION_STATE_CANCELLED);
  EXPECT_EQ(runner_->stats().cancelled, 1);
}

TEST_F(EvaluationRunnerTest, EndsWithTheLastOfThoseWhoWantThat) {
  StartServer();
  Gate gate;
  hook_ = [&gate] { gate.Pass(); };
  Listener first, second;
  const auto start = [this](Listener& listener, WhenLeft when_left) {
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
}

TEST_F(EvaluationRunnerTest, GoesOnIfOneOfThoseWhoAskedWantsThat) {
  StartServer();
  Gate gate;
  hook_ = [&gate] { gate.Pass(); };
  Listener leaves, detaches, watches;
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

TEST_F(EvaluationRunnerTest, ResumesAfterCancelWithTheSameRecords) {
  StartServer();
  const v1::Evaluation whole = Run();

  StartServer();
  Gate gate;
  std::atomic<int> gradients{0};
  hook_ = [&] {
    if (++gradients == 100) gate.Pass();
  };
  Listener listener;
  StartedEvaluation started = StartOrDie(&listener);
  gate.AwaitArrivals(1);
  ASSERT_TRUE(runner_->Cancel(ToyId()).ok());
  gate.Open();
  const uint64_t done = listener.AwaitEnd().samples_done();
  EXPECT_GT(done, 0u);
  EXPECT_LT(done, uint64_t{kSamples});

  Listener resumed;
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
  const EvaluationStoreOptions file{folder / "evaluations.db"};
  StartServer(1, {}, file);
  Gate gate;
  std::atomic<int> gradients{0};
  hook_ = [&] {
    if (++gradients == 100) gate.Pass();
  };
  Listener listener;
  {
    const StartedEvaluation started = StartOrDie(&listener);
    gate.AwaitArrivals(1);
    runner_->Stop();
    Listener late;
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
  EXPECT_EQ(runner_->Get(ToyId())->error(), "server stopped");
  const v1::Evaluation end = Run();
  EXPECT_EQ(end.report().records_sha256(), whole);
  EXPECT_LT(runner_->stats().images, kSamples);
}

// As after a kill: the store says RUNNING, and the last tile is there but the
// report is not.
TEST_F(EvaluationRunnerTest, WritesAReportThatAKillPrevented) {
  const TemporaryFolder folder;
  const EvaluationStoreOptions file{folder / "evaluations.db"};
  StartServer(1, {}, file);
  const v1::Evaluation end = Run();
  v1::Evaluation killed = end;
  killed.set_state(v1::EVALUATION_STATE_RUNNING);
  killed.clear_report();
  killed.clear_finished_at();
  ASSERT_TRUE(store_->Update(killed).ok());
  StartServer(1, {}, file);
  EXPECT_EQ(runner_->Get(ToyId())->state(), v1::EVALUATION_STATE_CANCELLED);
  const v1::Evaluation again = Run();
  EXPECT_EQ(DeterministicBytes(again.report()),
            DeterministicBytes(end.report()));
  EXPECT_EQ(runner_->stats().images, 0);
}

TEST_F(EvaluationRunnerTest, RefusesTooManyAtOnce) {
  EvaluationRunnerOptions options;
  options.concurrent = 2;
  StartServer(1, options);
  Gate gate;
  hook_ = [&gate] { gate.Pass(); };
  Listener a, b, c;
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
  Listener a, b;
  const StartedEvaluation first = StartOrDie(&a, 1);
  gate.AwaitArrivals(1);
  const StartedEvaluation second = StartOrDie(&b, 2);
  // When one ends, the other is not far behind.
  std::atomic<int64_t> others{-1};
  Listener c;
  auto attached = runner_->Start(Toy(1), [&](const EvaluationEvent& event) {
    if (std::holds_alternative<v1::Evaluation>(event)) {
      others = runner_->Get(ToyId(2))->samples_done();
    }
    c.AsFunction()(event);
  });
  gate.Open();
  c.AwaitEnd();
  b.AwaitEnd();
  EXPECT_GE(others, kSamples - 2 * kTile);
}

TEST_F(EvaluationRunnerTest, AFullDiskFailsItAndLosesNothing) {
  const TemporaryFolder folder;
  EvaluationStoreOptions file{folder / "evaluations.db"};
  StartServer(1, {}, file);
  const std::string whole = Run().report().records_sha256();
  ASSERT_TRUE(runner_->Delete(ToyId()).ok());

  EvaluationStoreOptions small{folder / "small.db"};
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

TEST_F(EvaluationRunnerTest, AnUnsubscribedListenerHearsNothing) {
  StartServer();
  Gate gate;
  hook_ = [&gate] { gate.Pass(); };
  Listener gone, stays;
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
  Listener stays;
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
  Listener gone, stays;
  // The one who asked has left; the other is there to wait for the end.
  StartOrDie(&gone).subscription.reset();
  const StartedEvaluation started = StartOrDie(&stays);
  gate.Open();
  const v1::Evaluation end = stays.AwaitEnd();
  Listener again;
  StartOrDie(&again);  // as it is, from the store
  EXPECT_THAT(reports, ElementsAre(end.report().records_sha256()));
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
  Listener listener;
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
