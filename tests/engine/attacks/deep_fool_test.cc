#include "engine/attacks/deep_fool.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "tests/engine/attacks/nearest.h"

namespace adv {
namespace {

using ::testing::ElementsAre;

DeepFoolConfig Overshooting(double overshoot) {
  DeepFoolConfig config;
  config.overshoot = overshoot;
  return config;
}

// On a linear network one step is enough, and it ends at 1 + overshoot times
// the distance.
TEST(DeepFool, OvershootsTheNearestPlaneByJustThat) {
  const LinearToy toy(81);
  const AttackBatch batch = toy.Grey(7, 82);
  for (Norm norm : {Norm::kLinf, Norm::kL2}) {
    const at::Tensor exact = ExactDistances(toy, batch, norm);
    for (double overshoot : {0.02, 0.1, 0.5}) {
      const AttackResult result =
          FindNearest(Overshooting(overshoot), toy.network, batch, norm);
      EXPECT_TRUE(SizesIn(result, batch, norm)
                      .allclose(exact * (1 + overshoot), 1e-4, 1e-6));
      EXPECT_TRUE(result.iterations.eq(1).all().item<bool>());
    }
  }
}

// Saturated pixels cannot move, so that it takes steps until the others have
// made up for them.
TEST(DeepFool, ReachesTheNearestFromBlackAndWhite) {
  const LinearToy toy(81, 2);
  const AttackBatch batch = toy.Stark(7, 83, 0);
  for (Norm norm : {Norm::kLinf, Norm::kL2}) {
    const at::Tensor exact = ExactDistances(toy, batch, norm);
    const AttackResult result =
        FindNearest(DeepFoolConfig{}, toy.network, batch, norm);
    const at::Tensor sizes = SizesIn(result, batch, norm);
    EXPECT_TRUE(result.success.all().item<bool>());
    EXPECT_TRUE(sizes.ge(exact * (1 - 1e-4)).all().item<bool>());
    EXPECT_TRUE(sizes.le(exact * 1.02 + 1e-5).all().item<bool>());
    EXPECT_TRUE(result.iterations.gt(1).any().item<bool>());
  }
}

// The boundary of class 1 is nearer, but on the far side of the box.
TEST(DeepFool, PassesOverWhatTheBoxKeepsOutOfReach) {
  const ToyLinearNetwork network({1, 1, 2},
                                 Floats({0, 0, -1, 0, 0, 1}).view({3, 2}),
                                 Floats({0, -0.1, -0.7}));
  AttackBatch batch;
  batch.images = Floats({0, 0.5}).view({1, 1, 1, 2});
  batch.labels = Longs({0});
  for (Norm norm : {Norm::kLinf, Norm::kL2}) {
    const AttackResult result =
        RunOne(DeepFoolConfig{}, network, batch, AtEpsilon(1, norm));
    EXPECT_TRUE(result.success.item<bool>());
    EXPECT_NEAR((result.images - batch.images).abs().max().item<double>(),
                0.2 * 1.02, 1e-5);
  }
}

// Fooled after n steps: n looks at 4 planes.
TEST(DeepFool, WhoIsFooledLeavesAtOnce) {
  const LinearToy toy(81);
  const AttackBatch batch = toy.Stark(32, 84, 0);
  const AttackResult result =
      FindNearest(DeepFoolConfig{}, toy.network, batch, Norm::kLinf);
  const at::Tensor wrong = batch.clean_logits.argmax(1).ne(batch.labels);
  EXPECT_TRUE(result.gradients.equal(result.iterations * 4));
  EXPECT_TRUE(result.forwards.equal(result.iterations));
  EXPECT_GT(result.iterations.max().item<int64_t>(),
            result.iterations.masked_select(wrong.logical_not())
                .min()
                .item<int64_t>());
}

// The first of 4 planes tells which images go on. A pass then has the others of
// so many classes as there are slots for.
TEST(DeepFool, TakesTheGradientsOfManyClassesInOnePass) {
  const LinearToy toy(81);
  const auto passes = [&](int64_t count) {
    const CountingNetwork network(
        std::make_shared<ToyLinearNetwork>(toy.network));
    FindNearest(DeepFoolConfig{}, network, toy.Grey(count, 82), Norm::kL2);
    return network.gradient_passes;
  };
  // Every eighth image is wrong before, and the others need one step.
  EXPECT_THAT(passes(7), ElementsAre(7, 21));
  EXPECT_THAT(passes(12), ElementsAre(11, 22, 11));
  EXPECT_THAT(passes(64), ElementsAre(56, 56, 56, 56));
}

// One of the classes that share a pass has no gradient, the last one has.
TEST(DeepFool, MarksAGradientOfZeroBesideOthers) {
  AttackBatch batch;
  batch.images = Floats({0.5}).view({1, 1, 1, 1});
  batch.labels = Longs({0});
  for (float slope : {0.F, 1.F}) {
    const ToyLinearNetwork network(
        {1, 1, 1}, Floats({0, 1, slope, 1}).view({4, 1}), Floats({1, 0, 0, 0}));
    const AttackResult result =
        RunOne(DeepFoolConfig{}, network, batch, AtEpsilon(1, Norm::kLinf));
    EXPECT_EQ(result.zero_gradient.item<bool>(), slope == 0);
  }
}

TEST(DeepFool, TowardATargetOnePlaneAStep) {
  const LinearToy toy(81);
  AttackBatch batch = toy.Grey(7, 82);
  batch.targets = (batch.labels + 1).remainder(5);
  const AttackResult result =
      FindNearest(DeepFoolConfig{}, toy.network, batch, Norm::kL2);
  EXPECT_TRUE(result.success.all().item<bool>());
  EXPECT_TRUE(result.gradients.equal(result.iterations));
}

TEST(DeepFool, EndsAfterItsSteps) {
  const SphereToy sphere;
  const AttackResult full =
      FindNearest(DeepFoolConfig{}, sphere.network, sphere.batch, Norm::kL2);
  const int64_t most = full.iterations.max().item<int64_t>();
  for (int64_t steps : {most - 1, most}) {
    DeepFoolConfig config;
    config.steps = steps;
    const AttackResult result =
        FindNearest(config, sphere.network, sphere.batch, Norm::kL2);
    const at::Tensor reached = full.iterations.le(steps);
    EXPECT_TRUE(result.success.equal(reached));
    EXPECT_EQ(reached.all().item<bool>(), steps == most);
    EXPECT_TRUE(result.gradients.equal(full.iterations.clamp_max(steps)));
  }
}

// A step of 1e39 gradients is infinite in float32, and at the pixel without a
// gradient it is no number.
TEST(DeepFool, AGradientTooSmallForAStepIsLikeNone) {
  const TwoClasses flat(Floats({1e-39F, 0}), Floats({0.5, 0.5}), 1);
  for (Norm norm : {Norm::kLinf, Norm::kL2}) {
    const auto outcome =
        Make(DeepFoolConfig{})
            ->Run(flat.network, flat.network, flat.batch, AtEpsilon(0.5, norm));
    ASSERT_TRUE(outcome.ok()) << outcome.status();
    const AttackResult& result = outcome->results[0];
    EXPECT_FALSE(result.success.item<bool>());
    EXPECT_TRUE(result.images.equal(flat.batch.images));
    EXPECT_EQ(result.gradients.item<int64_t>(), 1);
  }
}

// In ever shorter steps it comes to the boundary; the overshoot is one of the
// whole way, so that even a small one crosses it.
TEST(DeepFool, OvershootsTheSumOfItsSteps) {
  const SphereToy sphere;
  const at::Tensor exact = at::linspace(1, 2, 6, at::kDouble) - 0.5;
  for (double overshoot : {1e-4, 0.02, 0.1}) {
    const AttackResult result = FindNearest(
        Overshooting(overshoot), sphere.network, sphere.batch, Norm::kL2);
    const at::Tensor sizes = SizesIn(result, sphere.batch, Norm::kL2);
    EXPECT_TRUE(sizes.ge(exact * (1 - 1e-5)).all().item<bool>());
    EXPECT_TRUE(
        sizes.le(exact * (1 + overshoot) * (1 + 1e-5)).all().item<bool>());
  }
}

}  // namespace
}  // namespace adv
