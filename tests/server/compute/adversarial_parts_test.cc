// A request in parts gives what it gives as a whole.
#include "server/compute/adversarial_parts.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/codec/codec.h"
#include "server/compute/executor.h"
#include "server/compute/mutex.h"
#include "tests/engine/toy_network.h"
#include "tests/server/gate.h"
#include "tests/server/toy_model.h"

namespace adv {
namespace {

constexpr int64_t kImages = 37;

const BeforePass kGoOn = [] { return absl::OkStatus(); };

AdversarialTask Task(const AttackConfig& attack) {
  AdversarialTask task;
  task.model = task.source_model = MakeToyModel();
  at::manual_seed(7);
  task.images = at::rand({kImages, 3, 2, 2});
  task.labels = at::randint(0, 3, {kImages}, at::kLong);
  // Not in order, as a caller may choose them.
  task.samples = at::randperm(kImages, at::kLong);
  task.attack = attack;
  task.options.epsilons = {16. / 255};
  task.options.seed = 11;
  return task;
}

void ExpectEqual(const AdversarialImages& one, const AdversarialImages& other) {
  EXPECT_TRUE(one.labels.equal(other.labels));
  EXPECT_TRUE(one.images.equal(other.images));
  EXPECT_TRUE(one.clean_logits.equal(other.clean_logits));
  EXPECT_TRUE(one.logits.equal(other.logits));
  ASSERT_EQ(one.records.size(), other.records.size());
  for (size_t i = 0; i < one.records.size(); ++i) {
    EXPECT_EQ(EncodeAttackRecord(one.records[i]).SerializeAsString(),
              EncodeAttackRecord(other.records[i]).SerializeAsString())
        << "image " << i;
  }
}

// The parts from the last to the first, so that they end out of order.
AdversarialImages InParts(const AdversarialTask& task, int at_once) {
  AdversarialParts parts(task, at_once);
  EXPECT_EQ(parts.size(), static_cast<size_t>(at_once));
  for (size_t part = parts.size() - 1; part > 0; --part) {
    const auto images = parts.Compute(part, kGoOn);
    EXPECT_TRUE(images.ok() && !images->has_value());
  }
  auto images = parts.Compute(0, kGoOn);
  EXPECT_TRUE(images.ok() && images->has_value());
  return **std::move(images);
}

// Whatever draws random numbers or decides image by image.
std::vector<AttackConfig> Attacks() {
  PgdConfig pgd;
  pgd.steps = 3;
  pgd.restarts = 2;
  ApgdConfig apgd;
  apgd.steps = 4;
  SquareConfig square;
  square.queries = 20;
  HopSkipJumpConfig hop_skip_jump;
  hop_skip_jump.queries = 60;
  AutoAttackConfig ensemble;
  ensemble.members = {{apgd}, {square}};
  return {FgsmConfig{}, pgd, hop_skip_jump, ensemble, NoiseConfig{}};
}

TEST(AdversarialPartsTest, GiveTheSameBitsAsTheWhole) {
  for (const AttackConfig& attack : Attacks()) {
    AdversarialTask task = Task(attack);
    if (std::holds_alternative<HopSkipJumpConfig>(attack)) {
      task.options.norm = Norm::kL2;
      task.options.epsilons = {.5};
    }
    const auto whole = Perturb(task, kGoOn);
    ASSERT_TRUE(whole.ok()) << whole.status();
    for (const int at_once : {2, 3, 4}) {
      SCOPED_TRACE(attack.index());
      ExpectEqual(InParts(task, at_once), *whole);
    }
  }
}

TEST(AdversarialPartsTest, LabelsAndTargetsMayBeTheModels) {
  AdversarialTask task = Task(FgsmConfig{});
  task.labels = at::Tensor();
  task.goal.kind = Goal::Kind::kTargeted;
  for (const auto rule :
       {Goal::TargetRule::kRandom, Goal::TargetRule::kLeastLikely}) {
    task.goal.rule = rule;
    const auto whole = Perturb(task, kGoOn);
    ASSERT_TRUE(whole.ok()) << whole.status();
    ExpectEqual(InParts(task, 4), *whole);
  }
}

TEST(AdversarialPartsTest, FewImagesStayTogether) {
  AdversarialTask task = Task(FgsmConfig{});
  EXPECT_EQ(AdversarialParts(task, 0).size(), 1u);
  EXPECT_EQ(AdversarialParts(task, 1).size(), 1u);
  EXPECT_EQ(AdversarialParts(task, 100).size(), 4u);
  task.images = task.images.slice(0, 0, 15);
  EXPECT_EQ(AdversarialParts(task, 100).size(), 1u);
}

// A network that is not exact in any batch.
class BatchDependentNetwork final : public Network {
 public:
  BatchDependentNetwork() : Network(Traits()) {}
  absl::StatusOr<at::Tensor> Logits(const at::Tensor&) const override {
    return absl::UnimplementedError("not called");
  }

 private:
  static NetworkTraits Traits() {
    NetworkTraits traits = OnCpu({3, 2, 2}, 3);
    traits.exact_in_any_batch = false;
    return traits;
  }
};

TEST(AdversarialPartsTest, OnlyExactNetworksThatRunHereAreAskedInParts) {
  auto inexact = std::make_shared<ServedModel>(*MakeToyModel());
  inexact->network = std::make_shared<BatchDependentNetwork>();
  auto remote = std::make_shared<ServedModel>(*MakeToyModel());
  remote->network_for = [](const Asker&) { return nullptr; };
  for (const auto& model : {inexact, remote}) {
    AdversarialTask task = Task(FgsmConfig{});
    task.model = model;
    EXPECT_EQ(AdversarialParts(task, 4).size(), 1u);
    std::swap(task.model, task.source_model);
    EXPECT_EQ(AdversarialParts(task, 4).size(), 1u);
  }
}

// The error names every image whose target is the label that the model gave.
TEST(AdversarialPartsTest, WrongTargetsAreToldOfAllAtOnce) {
  AdversarialTask task = Task(FgsmConfig{});
  task.labels = at::Tensor();
  task.goal.kind = Goal::Kind::kTargeted;
  task.goal.rule = Goal::TargetRule::kFixed;
  task.goal.target_class = 1;
  EXPECT_EQ(AdversarialParts(task, 4).size(), 1u);
  task.labels = at::zeros({kImages}, at::kLong);
  EXPECT_EQ(AdversarialParts(task, 4).size(), 4u);
}

// The toy network, whose gradients wait at a gate.
class GatedNetwork final : public Network {
 public:
  explicit GatedNetwork(Gate* gate)
      : Network(OnCpu({3, 2, 2}, 3)),
        network_(MakeChannelMeanNetwork({3, 2, 2})),
        gate_(*gate) {}
  absl::StatusOr<at::Tensor> Logits(const at::Tensor& images) const override {
    return network_->Logits(images);
  }
  absl::StatusOr<LogitsAndGradient> InputGradient(
      const at::Tensor& images,
      const LogitGradient& loss_gradient) const override {
    gate_.Pass();
    return network_->InputGradient(images, loss_gradient);
  }

 private:
  const std::shared_ptr<const Network> network_;
  Gate& gate_;
};

TEST(AdversarialPartsTest, UseAllIdleWorkersAtTheSameTime) {
  Gate gate, ended;
  ExecutorOptions options;
  options.threads = 8;
  options.workers = 2;
  Executor executor(options);
  AdversarialTask task = Task(FgsmConfig{});
  const auto whole = Perturb(task, kGoOn);
  ASSERT_TRUE(whole.ok()) << whole.status();
  auto model = std::make_shared<ServedModel>(*MakeToyModel());
  model->network = std::make_shared<GatedNetwork>(&gate);
  task.model = task.source_model = model;

  AdversarialParts parts(task, executor.IdleWorkers());
  ASSERT_EQ(parts.size(), 2u);
  std::vector<AdversarialImages> answers;
  Mutex mutex;
  std::vector<Executor::Job> jobs;
  for (size_t i = 0; i < parts.size(); ++i) {
    jobs.push_back([&, i](const BeforePass& before_pass) {
      auto images = parts.Compute(i, before_pass);
      if (!images.ok()) return images.status();
      MutexLock lock(mutex);
      if (images->has_value()) answers.push_back(**std::move(images));
      return absl::OkStatus();
    });
  }
  JobOptions job;
  job.lane = Lane::kBulk;
  job.op = "generate";
  ended.Open();
  ASSERT_TRUE(executor
                  .SubmitParts(job, std::move(jobs),
                               [&ended](const absl::Status& status) {
                                 EXPECT_TRUE(status.ok()) << status;
                                 ended.Pass();
                               })
                  .ok());
  gate.AwaitArrivals(2);  // neither has ended its gradient
  EXPECT_EQ(executor.IdleWorkers(), 0);
  gate.Open();
  ended.AwaitArrivals(1);
  ASSERT_EQ(answers.size(), 1u);
  ExpectEqual(answers.front(), *whole);
}

}  // namespace
}  // namespace adv
