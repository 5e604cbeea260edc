#include "engine/attacks/apgd.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/attacks/dlr.h"
#include "engine/attacks/minimising.h"
#include "engine/nn/loss.h"
#include "tests/engine/attacks/test_networks.h"

namespace adv {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Loss = ApgdConfig::Loss;

// Worked by hand: z_(1) - z_(3) is 2, z_(1) - (z_(3) + z_(4)) / 2 is 2.5.
TEST(DlrTest, IsTheFormula) {
  const at::Tensor logits = Floats({1, 3, 0, 2}).view({1, 4});
  EXPECT_EQ(DlrLoss(logits, Longs({1})).item<float>(), -0.5f);  // leads by 1
  EXPECT_EQ(DlrLoss(logits, Longs({3})).item<float>(), 0.5f);
  EXPECT_EQ(DlrLoss(logits, Longs({2})).item<float>(), 1.5f);
  const auto targeted = [&](int64_t label, int64_t target) {
    return TargetedDlrLoss(logits, Longs({label}), Longs({target}))
        .item<float>();
  };
  EXPECT_FLOAT_EQ(targeted(1, 0), -0.8f);
  EXPECT_FLOAT_EQ(targeted(1, 3), -0.4f);
  EXPECT_FLOAT_EQ(targeted(0, 1), 0.8f);
}

TEST(DlrTest, DoesNotDependOnScaleAndShift) {
  const at::Tensor logits = Normal({64, 6}, 80);
  const at::Tensor labels = at::arange(64, at::kLong).remainder(6);
  const at::Tensor targets = (labels + 1).remainder(6);
  const at::Tensor other = logits * 1024 + 5;
  EXPECT_TRUE(
      DlrLoss(other, labels).allclose(DlrLoss(logits, labels), 0, 1e-5));
  EXPECT_TRUE(TargetedDlrLoss(other, labels, targets)
                  .allclose(TargetedDlrLoss(logits, labels, targets), 0, 1e-5));
}

TEST(DlrTest, EqualLogitsStayFinite) {
  const at::Tensor logits = at::ones({1, 5});
  EXPECT_EQ(DlrLoss(logits, Longs({2})).item<float>(), 0);
  for (const at::Tensor& gradient :
       {DlrLossGradient(logits, Longs({2})),
        TargetedDlrLossGradient(logits, Longs({2}), Longs({3}))}) {
    EXPECT_TRUE(gradient.isfinite().all().item<bool>());
  }
}

// Central differences in double precision; random logits are far from ties.
template <typename Value>
void ExpectGradient(const at::Tensor& logits, const at::Tensor& gradient,
                    Value value) {
  constexpr double kStep = 1e-5;
  for (int64_t column = 0; column < logits.size(1); ++column) {
    at::Tensor up = logits.clone(), down = logits.clone();
    up.select(1, column).add_(kStep);
    down.select(1, column).sub_(kStep);
    EXPECT_TRUE(((value(up) - value(down)) / (2 * kStep))
                    .allclose(gradient.select(1, column), 1e-5, 1e-5))
        << column;
  }
}

TEST(DlrTest, GradientsAreThoseOfFiniteDifferences) {
  for (int64_t classes : {3, 4, 10}) {
    const at::Tensor logits = Normal({50, classes}, 81).to(at::kDouble) * 3;
    const at::Tensor labels = at::arange(50, at::kLong).remainder(classes);
    ExpectGradient(logits, DlrLossGradient(logits, labels),
                   [&](const at::Tensor& z) { return DlrLoss(z, labels); });
    if (classes < 4) continue;
    const at::Tensor targets = (labels * 3 + 1).remainder(classes);
    ExpectGradient(logits, TargetedDlrLossGradient(logits, labels, targets),
                   [&](const at::Tensor& z) {
                     return TargetedDlrLoss(z, labels, targets);
                   });
  }
}

TEST(ApgdCheckpointsTest, AreThoseOfThePaper) {
  EXPECT_THAT(ApgdCheckpoints(100),
              ElementsAre(22, 41, 57, 70, 80, 87, 93, 99));
  EXPECT_THAT(ApgdCheckpoints(50), ElementsAre(11, 21, 30, 38, 45));
  EXPECT_THAT(ApgdCheckpoints(5), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(ApgdCheckpoints(1), ElementsAre(1));
}

class ApgdTest : public ::testing::Test {
 protected:
  std::string Error(const ApgdConfig& config, int64_t classes, bool targeted) {
    AttackProblem problem{48, classes, targeted};
    return std::string(
        ValidateRun(TraitsOf(config), AtEpsilons({0.1}), problem).message());
  }

  const ReluNetwork network_{82};
  const AttackBatch batch_ = RandomBatch(network_, 48, 83);
};

TEST_F(ApgdTest, NeedsClassesByItsLoss) {
  EXPECT_EQ(Error({Loss::kCrossEntropy}, 2, false), "");
  EXPECT_EQ(Error({Loss::kDlr}, 2, false),
            "model: has 2 classes where this attack needs 3");
  EXPECT_EQ(Error({Loss::kTargetedDlr}, 3, true),
            "model: has 3 classes where this attack needs 4");
  EXPECT_EQ(Error({Loss::kTargetedDlr}, 4, true), "");
}

TEST_F(ApgdTest, UntargetedDlrTakesNoTargets) {
  EXPECT_THAT(Error({Loss::kDlr}, 10, true), HasSubstr("goal"));
  EXPECT_EQ(Error({Loss::kCrossEntropy}, 10, true), "");
}

// Random starts lie on the surface: some pixel (L-inf) or the length (L2).
TEST_F(ApgdTest, StartsOnTheSurface) {
  AttackBatch batch;
  batch.images = at::full({8, 3, 4, 4}, 0.5);
  batch.labels = at::zeros({8}, at::kLong);
  // Wrong about everything but these images, so that the start is returned.
  const SumNetwork network(
      SmallShape(),
      [](const at::Tensor& x) { return (x - 0.5).abs().sub(1e-3); },
      [](const at::Tensor& x) { return (x - 0.5).sign(); });
  for (Norm norm : {Norm::kLinf, Norm::kL2}) {
    const AttackResult result =
        RunOne(ApgdConfig{}, network, batch, AtEpsilon(0.3, norm));
    EXPECT_TRUE(result.iterations.eq(0).all().item<bool>());
    EXPECT_TRUE(result.gradients.eq(1).all().item<bool>());
    EXPECT_TRUE(SizesOf(result.images - batch.images, norm)
                    .allclose(at::full({8}, 0.3, at::kDouble), 0, 1e-5));
  }
}

// An image that fools is returned at once: what is wrong already as it is.
TEST_F(ApgdTest, WhatIsFooledIsDone) {
  const int64_t steps = 30;
  for (SuccessRule rule :
       {SuccessRule::kLastIterate, SuccessRule::kAnyIterate}) {
    RunOptions options = AtEpsilon(0.05, Norm::kLinf);
    options.success = rule;
    const AttackResult result = RunOne(ApgdConfig{Loss::kCrossEntropy, steps},
                                       network_, batch_, options);
    const at::Tensor wrong =
        network_.Logits(batch_.images).value().argmax(1).ne(batch_.labels);
    EXPECT_TRUE(
        result.images.index({wrong}).equal(batch_.images.index({wrong})));
    EXPECT_TRUE(result.iterations.index({wrong}).eq(0).all().item<bool>());
    const at::Tensor early = wrong.logical_not()
                                 .logical_and(result.success)
                                 .logical_and(result.iterations.lt(steps));
    EXPECT_TRUE(result.gradients.equal(
        at::where(wrong, 0, at::where(early, result.iterations + 1, steps))));
    EXPECT_TRUE(result.forwards.equal(
        wrong.logical_or(early).logical_not().to(at::kLong)));
    EXPECT_GT(Count(early), 0);
    EXPECT_LT(Count(result.success), 48);
  }
}

// A small network of which only class 2 can be reached from class 0: class 1
// is ahead of it but moves with no pixel.
TEST_F(ApgdTest, TargetClassesOneByOneBestFirst) {
  const at::Tensor w = Normal({6}, 84) * 4;
  const at::Tensor zero = at::zeros({6});
  const ToyLinearNetwork network(
      {1, 1, 6}, at::stack({zero, zero, w, zero, zero}),
      Floats({0, -1, -2, -8, -9}) - Floats({0, 0, 1, 0, 0}) * w.sum() * 0.5);
  AttackBatch batch;
  batch.images = at::full({1, 1, 1, 6}, 0.5);
  batch.labels = Longs({0});
  const RunOptions options = AtEpsilons({2.2 / w.abs().sum().item<double>()});
  const auto run = [&](int64_t target_classes) {
    return RunOne(ApgdConfig{Loss::kTargetedDlr, 10, 1, target_classes},
                  network, batch, options);
  };
  const AttackResult one = run(1);
  EXPECT_FALSE(one.success.item<bool>());
  EXPECT_EQ(one.gradients.item<int64_t>(), 10);
  EXPECT_EQ(one.forwards.item<int64_t>(), 1);
  for (int64_t more : {2, 3, 1000}) {
    const AttackResult result = run(more);
    EXPECT_EQ(result.logits.argmax(1).item<int64_t>(), 2);
    // After all of the first run, the first steps of the second.
    EXPECT_GT(result.gradients.item<int64_t>(), 10);
    EXPECT_LT(result.gradients.item<int64_t>(), 20);
  }
  batch.targets = Longs({2});
  const AttackResult aimed = run(9);
  EXPECT_TRUE(aimed.success.item<bool>());
  EXPECT_LT(aimed.gradients.item<int64_t>(), 10);
  batch.targets = Longs({3});
  EXPECT_EQ(run(9).gradients.item<int64_t>(), 10) << "one target, one run";
}

TEST_F(ApgdTest, RestartsKeepTheWorst) {
  for (Norm norm : {Norm::kLinf, Norm::kL2}) {
    const RunOptions options = AtEpsilon(SmallEpsilon(norm) / 2, norm);
    AttackResult before;
    for (int64_t restarts : {1, 2, 5}) {
      const AttackResult result =
          RunOne(ApgdConfig{Loss::kCrossEntropy, 4, restarts}, network_, batch_,
                 options);
      if (before.images.defined()) {
        const at::Tensor fell = before.success.nonzero().flatten();
        EXPECT_TRUE(result.images.index_select(0, fell).equal(
            before.images.index_select(0, fell)));
        const at::Tensor stands = result.success.logical_not();
        const auto loss = [&](const AttackResult& of) {
          return AttackLoss(of.logits, batch_.labels).masked_select(stands);
        };
        EXPECT_TRUE(loss(result).ge(loss(before)).all().item<bool>());
        EXPECT_TRUE(result.gradients.masked_select(stands)
                        .eq(4 * restarts)
                        .all()
                        .item<bool>());
      }
      before = result;
    }
    EXPECT_LT(Count(before.success), 48);
  }
}

// All steps, from every image, by the source alone.
TEST_F(ApgdTest, TransferNeverStopsEarly) {
  for (const ApgdConfig& config :
       {ApgdConfig{Loss::kCrossEntropy, 15}, ApgdConfig{Loss::kDlr, 15},
        ApgdConfig{Loss::kTargetedDlr, 15, 1, 1}}) {
    const bool chooses = config.loss == Loss::kTargetedDlr;
    at::Tensor images;
    for (uint64_t seed : {85, 86}) {
      const ReluNetwork target(seed);
      const CountingNetwork counting(std::make_shared<const ReluNetwork>(82));
      const AttackOutcome outcome =
          Make(config)
              ->Run(target, counting, batch_, AtEpsilon(0.08, Norm::kLinf))
              .value();
      const AttackResult& result = outcome.results[0];
      EXPECT_TRUE(result.gradients.eq(15).all().item<bool>());
      EXPECT_TRUE(result.forwards.eq(chooses ? 3 : 2).all().item<bool>());
      EXPECT_EQ(counting.gradients, 48 * 15);
      EXPECT_EQ(counting.forwards, 48 * (chooses ? 2 : 1));
      EXPECT_TRUE(result.logits.equal(target.Logits(result.images).value()));
      if (images.defined()) {
        EXPECT_TRUE(result.images.equal(images));
      }
      images = result.images;
    }
    if (config.loss != Loss::kCrossEntropy) continue;
    // The iterate with the largest loss, where the source itself as target is
    // done with the first that fools.
    const AttackResult direct =
        RunOne(config, network_, batch_, AtEpsilon(0.08, Norm::kLinf));
    const at::Tensor loss =
        AttackLoss(network_.Logits(images).value(), batch_.labels);
    const at::Tensor at_first = AttackLoss(direct.logits, batch_.labels);
    const at::Tensor attacked = direct.gradients.gt(0);
    EXPECT_TRUE(loss.ge(at_first)
                    .logical_or(attacked.logical_not())
                    .all()
                    .item<bool>());
    EXPECT_GT(Count(loss.gt(at_first).logical_and(attacked)), 8);
  }
}

}  // namespace
}  // namespace adv
