#include "engine/attacks/fab.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "tests/engine/attacks/nearest.h"

namespace adv {
namespace {

using ::testing::ElementsAre;

FabConfig Steps(int64_t steps, int64_t target_classes = 0,
                int64_t restarts = 1) {
  FabConfig config;
  config.steps = steps;
  config.target_classes = target_classes;
  config.restarts = restarts;
  return config;
}

class FabTest : public ::testing::TestWithParam<Norm> {
 protected:
  AttackResult Find(const FabConfig& config, const AttackBatch& batch) const {
    return FindNearest(config, toy_.network, batch, GetParam());
  }

  const LinearToy toy_{101};
  const AttackBatch batch_ = toy_.Stark(7, 102, 0);
};

INSTANTIATE_TEST_SUITE_P(Norms, FabTest,
                         ::testing::Values(Norm::kLinf, Norm::kL2));

// The projection knows the box, so that the first step is there, eta times as
// far where nothing stops it.
TEST_P(FabTest, OneStepIsEnoughOnALinearNetwork) {
  const LinearToy two(101, 2);
  const auto in_one_step = [&](const AttackBatch& batch) {
    const AttackResult result =
        FindNearest(Steps(1), two.network, batch, GetParam());
    EXPECT_TRUE(result.success.all().item<bool>());
    return SizesIn(result, batch, GetParam()) /
           ExactDistances(two, batch, GetParam());
  };
  const at::Tensor stark = in_one_step(two.Stark(7, 102, 0));
  EXPECT_TRUE(stark.gt(1.001).all().item<bool>()) << stark;
  EXPECT_TRUE(stark.le(1.0501).all().item<bool>()) << stark;
  const at::Tensor grey = in_one_step(two.Grey(7, 103));
  EXPECT_TRUE(grey.allclose(at::full_like(grey, 1.05), 1e-4)) << grey;
}

TEST_P(FabTest, ComesNearerWithMoreSteps) {
  const at::Tensor exact = ExactDistances(toy_, batch_, GetParam());
  const AttackResult result = Find(Steps(20), batch_);
  const at::Tensor ratio = SizesIn(result, batch_, GetParam()) / exact;
  EXPECT_TRUE(ratio.ge(1 - 1e-4).all().item<bool>());
  EXPECT_TRUE(ratio.le(1.01).all().item<bool>()) << ratio;
}

TEST_P(FabTest, CostsPerStep) {
  const AttackBatch batch = toy_.Grey(16, 104);
  const at::Tensor right =
      batch.clean_logits.argmax(1).eq(batch.labels).to(at::kLong);
  const AttackResult fab = Find(Steps(6), batch);
  EXPECT_TRUE(fab.gradients.equal(right * 6 * 4));
  EXPECT_TRUE(fab.forwards.equal(right * 6));
  const AttackResult fab_t = Find(Steps(6, 3, 2), batch);
  EXPECT_TRUE(fab_t.gradients.equal(right * 6 * 3 * 2));
  EXPECT_TRUE(fab_t.forwards.equal(right * 6 * 3 * 2));
  // There are no more than four other classes.
  EXPECT_TRUE(Find(Steps(1, 9), batch).gradients.equal(right * 4));
}

// Untargeted, a pass has the planes of many classes; FAB-T walks to many
// classes at once. Every eighth image is wrong before.
TEST_P(FabTest, AttacksManyClassesInOnePass) {
  const auto run = [&](const FabConfig& config, int64_t count) {
    auto network = std::make_unique<CountingNetwork>(
        std::make_shared<ToyLinearNetwork>(toy_.network));
    FindNearest(config, *network, toy_.Grey(count, 104), GetParam());
    return network;
  };
  EXPECT_THAT(run(Steps(2), 7)->gradient_passes, ElementsAre(28, 28));
  EXPECT_THAT(run(Steps(1), 12)->gradient_passes, ElementsAre(22, 22));
  EXPECT_THAT(run(Steps(1), 64)->gradient_passes, ElementsAre(56, 56, 56, 56));
  const auto fab_t = run(Steps(2, 3), 7);
  EXPECT_THAT(fab_t->gradient_passes, ElementsAre(21, 21));
  EXPECT_THAT(fab_t->forward_passes, ElementsAre(21, 21));
  EXPECT_THAT(run(Steps(1, 3), 12)->gradient_passes, ElementsAre(22, 11));
  // Where a restart starts depends on all walks before it, so it goes alone.
  EXPECT_THAT(run(Steps(1, 3, 2), 7)->gradient_passes,
              ElementsAre(21, 7, 7, 7));
}

// In a large batch each pass has one class; a single image's has all.
TEST_P(FabTest, ManyClassesInOnePassChangeNothing) {
  const ReluNetwork network(107);
  const AttackBatch batch = RandomBatch(network, 64, 108);
  const RunOptions options =
      AtEpsilon(GetParam() == Norm::kLinf ? 1 : 6.9, GetParam());
  for (const FabConfig& config : {Steps(6), Steps(6, 4), Steps(4, 3, 3)}) {
    const AttackResult all = RunOne(config, network, batch, options);
    for (int64_t i = 0; i < 64; ++i) {
      AttackBatch one;
      one.images = batch.images.narrow(0, i, 1);
      one.labels = batch.labels.narrow(0, i, 1);
      one.samples = Longs({i});
      const AttackResult alone = RunOne(config, network, one, options);
      EXPECT_TRUE(alone.images[0].equal(all.images[i]));
      EXPECT_TRUE(alone.logits[0].equal(all.logits[i]));
      EXPECT_TRUE(alone.iterations[0].equal(all.iterations[i]));
      EXPECT_TRUE(alone.gradients[0].equal(all.gradients[i]));
      EXPECT_TRUE(alone.forwards[0].equal(all.forwards[i]));
      EXPECT_TRUE(alone.zero_gradient[0].equal(all.zero_gradient[i]));
    }
  }
}

// The nearest class is not the one with the largest logit for all images; one
// by one they are all seen.
TEST_P(FabTest, TargetClassesAreTheBestOnes) {
  const AttackBatch batch = toy_.Grey(32, 105);
  const at::Tensor exact = ExactDistances(toy_, batch, GetParam());
  const at::Tensor one = SizesIn(Find(Steps(10, 1), batch), batch, GetParam());
  const at::Tensor all = SizesIn(Find(Steps(10, 4), batch), batch, GetParam());
  EXPECT_TRUE(all.le(one).all().item<bool>());
  EXPECT_TRUE(all.le(exact * 1.01).all().item<bool>());
  EXPECT_TRUE(one.gt(exact * 1.05).any().item<bool>());
  for (int64_t i = 0; i < 7; ++i) {
    const int64_t from = batch.labels[i].item<int64_t>();
    at::Tensor logits = batch.clean_logits[i].clone();
    logits[from] = -1e9;
    const double to_best =
        DistanceTo(toy_, batch.images[i], from, logits.argmax().item<int64_t>(),
                   GetParam());
    EXPECT_NEAR(one[i].item<double>(), to_best, 0.01 * to_best);
  }
}

// Keeps what it was asked.
class GradientRecorder final : public Network {
 public:
  explicit GradientRecorder(const Network& network)
      : Network(network.traits()), network_(network) {}
  absl::StatusOr<at::Tensor> Logits(const at::Tensor& images) const override {
    judged.push_back(images);
    return network_.Logits(images);
  }
  absl::StatusOr<LogitsAndGradient> InputGradient(
      const at::Tensor& images, const LogitGradient& loss) const override {
    seen.push_back(images);
    return network_.InputGradient(images, loss);
  }

  mutable std::vector<at::Tensor> seen;    // by InputGradient
  mutable std::vector<at::Tensor> judged;  // by Logits

 private:
  const Network& network_;
};

TEST_P(FabTest, WhatFoolsIsDrawnBackToTheOriginal) {
  const SphereToy sphere;
  const GradientRecorder network(sphere.network);
  AttackBatch batch;
  batch.images = sphere.batch.images.narrow(0, 5, 1);
  batch.labels = Longs({0});
  batch.clean_logits = sphere.network.Logits(batch.images).value();
  FabConfig config = Steps(12, 1);
  config.beta = 0.7;
  FindNearest(config, network, batch, GetParam());
  ASSERT_EQ(network.seen.size(), 12);
  ASSERT_EQ(network.judged.size(), 12);
  int64_t fooled = 0;
  for (size_t n = 0; n < 11; ++n) {
    const at::Tensor& image = network.judged[n];
    const bool fools =
        sphere.network.Logits(image).value().argmax(1).eq(1).item<bool>();
    const at::Tensor back = batch.images + (image - batch.images) * 0.7;
    EXPECT_TRUE(network.seen[n + 1].allclose(fools ? back : image, 0, 1e-6));
    fooled += fools;
  }
  EXPECT_GT(fooled, 0);
  EXPECT_LT(fooled, 11);
}

TEST_P(FabTest, RestartsStartAtHalfTheDistanceOfWhatWasFound) {
  const GradientRecorder network(toy_.network);
  const AttackBatch batch = toy_.Grey(7, 106);
  const auto start_at = [&](uint64_t seed, double epsilon) {
    network.seen.clear();
    RunOptions options = Everywhere(GetParam());
    options.epsilons = {epsilon};
    options.seed = seed;
    Make(Steps(1, 1, 2))->Run(network, network, batch, options).value();
    EXPECT_EQ(network.seen.size(), 2);
    EXPECT_TRUE(network.seen[0].equal(batch.images));
    return network.seen[1];
  };
  const at::Tensor found =
      SizesIn(Find(Steps(1, 1, 1), batch), batch, GetParam());
  const double all = Everywhere(GetParam()).epsilons[0];
  const at::Tensor start = start_at(1, all);
  EXPECT_TRUE(SizesOf(start - batch.images, GetParam())
                  .allclose(found / 2, 1e-3, 1e-6));
  EXPECT_TRUE(start_at(1, all).equal(start));
  EXPECT_FALSE(start_at(2, all).allclose(start));
  // The threat model's own radius, where that is less.
  const double epsilon = found.min().item<double>() / 2;
  EXPECT_TRUE(
      SizesOf(start_at(1, epsilon) - batch.images, GetParam())
          .allclose(at::full({7}, epsilon / 2, at::kDouble), 1e-3, 1e-6));
}

}  // namespace
}  // namespace adv
