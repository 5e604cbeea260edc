#ifndef ADV_TESTS_SERVER_EVALUATIONS_EVALUATION_RUNNER_FIXTURE_H_
#define ADV_TESTS_SERVER_EVALUATIONS_EVALUATION_RUNNER_FIXTURE_H_

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "server/compute/cost.h"
#include "server/compute/executor.h"
#include "server/compute/mutex.h"
#include "server/evaluations/evaluation_runner.h"
#include "server/evaluations/sqlite_evaluation_store.h"
#include "tests/engine/toy_network.h"
#include "tests/server/manual_clock.h"

namespace adv {

// Of one evaluation.
inline constexpr int64_t kSamples = 50;
inline constexpr int64_t kTile = 8;  // seven tiles, the last of two samples

// The toy network, which calls a hook before each gradient.
class HookedNetwork final : public Network {
 public:
  explicit HookedNetwork(std::function<void()> hook)
      : Network(OnCpu({3, 2, 2}, 3)),
        network_(MakeChannelMeanNetwork({3, 2, 2}, 4)),
        hook_(std::move(hook)) {}
  absl::StatusOr<at::Tensor> Logits(const at::Tensor& images) const override {
    return network_->Logits(images);
  }
  absl::StatusOr<LogitsAndGradient> InputGradient(
      const at::Tensor& images,
      const LogitGradient& loss_gradient) const override {
    hook_();
    return network_->InputGradient(images, loss_gradient);
  }

 private:
  const std::shared_ptr<const Network> network_;
  const std::function<void()> hook_;
};

// What a follower heard.
class Follower {
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
        end_ = std::get<EvaluationEnd>(event).evaluation;
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
                   const SqliteStoreOptions& store = {}) {
    StopServer();
    ExecutorOptions executor;
    executor.threads = threads;
    executor.clock = &clock_;
    executor_ = std::make_unique<Executor>(executor);
    auto opened = OpenSqliteStore(store);
    ASSERT_TRUE(opened.ok()) << opened.status();
    store_ = *std::move(opened);
    options.environment.set_device("CPU: toy");
    runner_ = std::make_unique<EvaluationRunner>(executor_.get(), store_.get(),
                                                 options);
  }
  // Finds the toy evaluation that a specification names.
  EvaluationResolver Resolver() {
    return [this](const v1::EvaluationSpec& spec)
               -> absl::StatusOr<ResolvedEvaluation> {
      if (spec.model() != "toy@1") return absl::NotFoundError("no such model");
      return Toy(spec.seed());
    };
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
  double PlannedCost() {
    return static_cast<double>(kSamples * EvaluationCost(Toy().plan, 3));
  }
  StartedEvaluation StartOrDie(Follower* listener, uint64_t seed = 0) {
    auto started = runner_->Start(Toy(seed), listener->AsFunction());
    EXPECT_TRUE(started.ok()) << started.status();
    return *std::move(started);
  }
  // From the start, or from where it is, to the end without disturbance.
  v1::Evaluation Run(uint64_t seed = 0) {
    Follower listener;
    const StartedEvaluation started = StartOrDie(&listener, seed);
    // No event comes of one that has ended.
    return started.subscription == nullptr ? started.evaluation
                                           : listener.AwaitEnd();
  }

  ManualClock clock_;
  std::shared_ptr<const Dataset> dataset_;
  std::function<void()> hook_ = [] {};  // before each gradient
  std::unique_ptr<EvaluationStore> store_;
  std::unique_ptr<Executor> executor_;
  std::unique_ptr<EvaluationRunner> runner_;
};

}  // namespace adv

#endif  // ADV_TESTS_SERVER_EVALUATIONS_EVALUATION_RUNNER_FIXTURE_H_
