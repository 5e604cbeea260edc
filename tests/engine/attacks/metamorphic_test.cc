// What must not change when something that does not matter does, and what every
// attack promises.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "engine/attacks/ball.h"
#include "engine/nn/loss.h"
#include "tests/engine/attacks/every_attack.h"
#include "tests/engine/attacks/test_networks.h"

namespace adv {
namespace {

class MetamorphicTest : public ::testing::TestWithParam<AttackCase> {
 protected:
  MetamorphicTest() { batch_.samples = at::arange(64, at::kLong); }

  RunOptions Options() const {
    return AtEpsilon(SmallEpsilon(GetParam().norm), GetParam().norm);
  }
  AttackResult Run(const Network& network, const AttackBatch& batch) const {
    return RunOne(GetParam().config, network, batch, Options());
  }
  // Over the first classes alone, with logits times `scale`.
  ToyLinearNetwork Part(int64_t classes, double scale) const {
    return {SmallShape(), weights_.narrow(0, 0, classes) * scale,
            bias_.narrow(0, 0, classes) * scale};
  }

  const std::unique_ptr<const Attack> attack_ = Make(GetParam().config);
  const at::Tensor weights_ = Normal({5, 48}, 20);
  const at::Tensor bias_ = weights_.sum(1) * -0.5;
  const ToyLinearNetwork network_{SmallShape(), weights_, bias_};
  AttackBatch batch_ = RandomBatch(network_, 64, 21);
};

INSTANTIATE_TEST_SUITE_P(All, MetamorphicTest,
                         ::testing::ValuesIn(EveryAttack()),
                         [](const auto& one) { return one.param.name; });

// Rounding may tell directions apart by a little.
bool Near(const at::Tensor& a, const at::Tensor& b) {
  return a.allclose(b, 0, 1e-4);
}

// The same outcome but for rounding. An attack that adapts its steps to which
// of two losses is larger may part ways where they are almost equal, so that of
// images that stand it is the loss that counts.
void ExpectSame(const AttackResult& a, const at::Tensor& a_labels,
                const AttackResult& b, const at::Tensor& b_labels) {
  ASSERT_TRUE(a.success.equal(b.success));
  EXPECT_TRUE(a.iterations.equal(b.iterations));
  EXPECT_TRUE(Near(a.images.index({a.success}), b.images.index({b.success})));
  EXPECT_TRUE(AttackLoss(a.logits, a_labels)
                  .allclose(AttackLoss(b.logits, b_labels), 1e-3, 1e-3));
}

// Where DLR is flat, at images with the label in third place, it has climbed as
// far as it can.
bool StandsForWantOfAGradient(const AttackResult& result) {
  return result.zero_gradient.logical_and(result.success.logical_not())
      .any()
      .item<bool>();
}

TEST_P(MetamorphicTest, ConstantAddedToAllLogits) {
  const ToyLinearNetwork shifted(SmallShape(), weights_, bias_ + 7);
  const AttackResult plain = Run(network_, batch_);
  const AttackResult result = Run(shifted, batch_);
  ExpectSame(result, batch_.labels, plain, batch_.labels);
}

// Cross-entropy's gradient underflows at such margins. With as few classes as
// the attack takes, the direction of its loss does not depend on the scale.
TEST_P(MetamorphicTest, ScaledLogitsOfFewClasses) {
  const int64_t classes = attack_->traits().min_classes;
  AttackBatch batch = batch_;
  batch.labels = Part(classes, 1).Logits(batch.images).value().argmax(1);
  const AttackResult plain = Run(Part(classes, 1), batch);
  if (!GetParam().blind) {
    EXPECT_GT(Count(plain.success), 0);
  }
  // By powers of two, which rounding is the same for, all images are.
  for (double scale : {16, 128, 1024}) {
    const AttackResult result = Run(Part(classes, scale), batch);
    EXPECT_TRUE(Near(result.images, plain.images)) << scale;
    EXPECT_TRUE(result.success.equal(plain.success)) << scale;
  }
  for (double scale : {10, 100, 1000}) {
    SCOPED_TRACE(scale);
    AttackResult result = Run(Part(classes, scale), batch);
    result.logits = result.logits / scale;
    ExpectSame(result, batch.labels, plain, batch.labels);
    EXPECT_FALSE(StandsForWantOfAGradient(result)) << scale;
  }
}

TEST_P(MetamorphicTest, ScaledLogitsOfManyClassesKeepTheirGradient) {
  for (double scale : {10, 100, 1000}) {
    const AttackResult result = Run(Part(5, scale), batch_);
    EXPECT_FALSE(StandsForWantOfAGradient(result)) << scale;
    if (!GetParam().blind) {
      EXPECT_GT(Count(result.success), 16) << scale;
    }
  }
}

TEST_P(MetamorphicTest, PermutedClasses) {
  const at::Tensor order = Longs({3, 0, 4, 1, 2});  // new class -> old class
  const ToyLinearNetwork permuted(SmallShape(), weights_.index_select(0, order),
                                  bias_.index_select(0, order));
  AttackBatch batch = batch_;
  batch.labels = order.argsort().index_select(0, batch.labels);
  const AttackResult plain = Run(network_, batch_);
  const AttackResult result = Run(permuted, batch);
  ExpectSame(result, batch.labels, plain, batch_.labels);
}

TEST_P(MetamorphicTest, PermutedBatch) {
  const at::Tensor order = Uniform({64}, 22).argsort();
  AttackBatch batch;
  batch.images = batch_.images.index_select(0, order);
  batch.labels = batch_.labels.index_select(0, order);
  batch.samples = batch_.samples.index_select(0, order);
  const AttackResult plain = Run(network_, batch_);
  const AttackResult result = Run(network_, batch);
  EXPECT_TRUE(result.images.equal(plain.images.index_select(0, order)));
  EXPECT_TRUE(result.logits.equal(plain.logits.index_select(0, order)));
  EXPECT_TRUE(result.iterations.equal(plain.iterations.index_select(0, order)));
  EXPECT_TRUE(result.gradients.equal(plain.gradients.index_select(0, order)));
  EXPECT_TRUE(result.forwards.equal(plain.forwards.index_select(0, order)));
}

TEST_P(MetamorphicTest, OneByOneIsAllAtOnce) {
  const AttackResult all = Run(network_, batch_);
  for (int64_t i = 0; i < 64; ++i) {
    AttackBatch one;
    one.images = batch_.images.narrow(0, i, 1);
    one.labels = batch_.labels.narrow(0, i, 1);
    one.samples = batch_.samples.narrow(0, i, 1);
    const AttackResult result = Run(network_, one);
    ASSERT_TRUE(result.images[0].equal(all.images[i]));
    ASSERT_TRUE(result.logits[0].equal(all.logits[i]));
    ASSERT_TRUE(result.iterations[0].equal(all.iterations[i]));
    ASSERT_TRUE(result.gradients[0].equal(all.gradients[i]));
    ASSERT_TRUE(result.forwards[0].equal(all.forwards[i]));
  }
}

// Who crafts for a transfer has the source alone.
TEST_P(MetamorphicTest, ImagesOfATransferDoNotDependOnTheTarget) {
  at::Tensor images;
  for (uint64_t seed : {25, 26}) {
    const auto target = RandomNetwork(seed);
    const AttackOutcome outcome =
        attack_->Run(*target, network_, batch_, Options()).value();
    const AttackResult& result = outcome.results[0];
    EXPECT_TRUE(result.logits.equal(target->Logits(result.images).value()));
    EXPECT_TRUE(
        result.success.equal(result.logits.argmax(1).ne(batch_.labels)));
    if (images.defined()) {
      EXPECT_TRUE(result.images.equal(images));
    }
    images = result.images;
  }
}

TEST_P(MetamorphicTest, WhatIsCraftedOnceMayBeShownToManyTargets) {
  const auto crafted = attack_->Craft(network_, batch_, Options());
  ASSERT_TRUE(crafted.ok()) << crafted.status();
  for (uint64_t seed : {25, 26}) {
    const auto target = RandomNetwork(seed);
    const AttackOutcome alone =
        attack_->Run(*target, network_, batch_, Options()).value();
    const AttackOutcome shown =
        attack_->Show(*target, *crafted, batch_, Options()).value();
    EXPECT_TRUE(shown.clean_logits.equal(alone.clean_logits));
    ASSERT_EQ(shown.results.size(), 1);
    ExpectSameFindings(shown.results[0], alone.results[0]);
    EXPECT_TRUE(shown.results[0].gradients.equal(alone.results[0].gradients));
    EXPECT_TRUE(shown.results[0].forwards.equal(alone.results[0].forwards));
  }
}

TEST_P(MetamorphicTest, EpsilonZeroIsTheIdentity) {
  const at::Tensor before = batch_.images.clone();
  const AttackResult result = RunOne(GetParam().config, network_, batch_,
                                     AtEpsilon(0, GetParam().norm));
  EXPECT_TRUE(result.images.equal(before));
  EXPECT_TRUE(result.success.equal(
      network_.Logits(before).value().argmax(1).ne(batch_.labels)));
  EXPECT_TRUE(batch_.images.equal(before)) << "the input was written to";
}

TEST_P(MetamorphicTest, MemoryFormat) {
  AttackBatch batch = batch_;
  batch.images = batch_.images.contiguous(at::MemoryFormat::ChannelsLast);
  EXPECT_TRUE(Run(network_, batch).images.equal(Run(network_, batch_).images));
}

// The verdict on stored bytes is that of the same images as floats, and the
// lattice costs hardly a success.
TEST_P(MetamorphicTest, FloatAgainstEightBit) {
  if (attack_->traits().may_leave_box)
    GTEST_SKIP() << "bytes cannot leave the box";
  RunOptions options = Options();
  const AttackResult plain =
      RunOne(GetParam().config, network_, batch_, options);
  options.eight_bit = true;
  const AttackResult result =
      RunOne(GetParam().config, network_, batch_, options);
  const at::Tensor loaded =
      ToBytes(result.images).to(at::kByte).to(at::kFloat).div(255);
  EXPECT_TRUE(loaded.equal(result.images));
  EXPECT_TRUE(network_.Logits(loaded).value().equal(result.logits));
  EXPECT_TRUE(result.success.equal(result.logits.argmax(1).ne(batch_.labels)));
  EXPECT_NEAR(Count(result.success), Count(plain.success), 8);
}

TEST_P(MetamorphicTest, SeedsReproduce) {
  RunOptions options = Options();
  options.seed = 5;
  const auto run = [&] {
    return RunOne(GetParam().config, network_, batch_, options);
  };
  const AttackResult first = run();
  const AttackResult again = run();
  EXPECT_TRUE(first.images.equal(again.images));
  EXPECT_TRUE(first.logits.equal(again.logits));
  EXPECT_TRUE(first.iterations.equal(again.iterations));
  options.seed = 6;
  EXPECT_EQ(run().images.equal(first.images), !GetParam().random);
}

TEST_P(MetamorphicTest, LeadsToTheTarget) {
  AttackBatch batch = batch_;
  batch.targets = (batch.labels + 2).remainder(5);
  if (!attack_->traits().takes_targets) {
    EXPECT_FALSE(attack_->Run(network_, network_, batch, Options()).ok());
    return;
  }
  const AttackResult result = Run(network_, batch);
  EXPECT_TRUE(result.success.equal(result.logits.argmax(1).eq(batch.targets)));
  if (!GetParam().blind) {
    EXPECT_GT(Count(result.success), 8);
  }
}

TEST_P(MetamorphicTest, CostsAreWhatTheNetworkSaw) {
  const CountingNetwork counting(RandomNetwork(20));
  AttackBatch batch = batch_;
  batch.clean_logits = network_.Logits(batch.images).value();
  for (bool targeted : {false, true}) {
    if (targeted && !attack_->traits().takes_targets) continue;
    if (targeted) batch.targets = (batch.labels + 1).remainder(5);
    RunOptions options = Options();
    options.epsilons.push_back(options.epsilons[0] / 2);
    counting.gradients = counting.forwards = 0;
    const AttackOutcome outcome =
        attack_->Run(counting, counting, batch, options).value();
    int64_t gradients = 0, forwards = 0;
    for (const AttackResult& result : outcome.results) {
      gradients += Count(result.gradients);
      forwards += Count(result.forwards);
    }
    EXPECT_EQ(gradients, counting.gradients);
    EXPECT_EQ(forwards, counting.forwards);
    EXPECT_GT(gradients + forwards, 0);
  }
}

TEST_P(MetamorphicTest, NoPassCopiesImagesIntoAnotherLayout) {
  const CountingNetwork counting(RandomNetwork(20)), source(RandomNetwork(22));
  for (bool eight_bit : {false, true}) {
    RunOptions options = Options();
    options.eight_bit = eight_bit && !attack_->traits().may_leave_box;
    ASSERT_TRUE(attack_->Run(counting, source, batch_, options).ok());
    for (SuccessRule rule :
         {SuccessRule::kLastIterate, SuccessRule::kAnyIterate}) {
      options.success = rule;
      AttackBatch batch = batch_;
      // With and without images that fool as they are.
      for (const at::Tensor& labels :
           {batch_.labels, network_.Logits(batch_.images).value().argmax(1)}) {
        batch.labels = labels;
        EXPECT_TRUE(attack_->Run(counting, counting, batch, options)
                        .value()
                        .results[0]
                        .images.is_contiguous(at::MemoryFormat::ChannelsLast));
      }
    }
  }
  EXPECT_GT(counting.passes, 0);
  EXPECT_EQ(counting.not_channels_last, 0);
  EXPECT_EQ(source.not_channels_last, 0);
}

TEST_P(MetamorphicTest, TheHookEndsTheRunBeforeAnyPass) {
  const CountingNetwork counting(RandomNetwork(20));
  RunOptions options = Options();
  ASSERT_TRUE(attack_->Run(counting, counting, batch_, options).ok());
  const int64_t all = counting.passes;
  for (int64_t allowed = 0; allowed <= all; ++allowed) {
    counting.passes = 0;
    int64_t calls = 0;
    options.before_pass = [&] {
      EXPECT_EQ(counting.passes, calls);
      return calls++ < allowed ? absl::OkStatus()
                               : absl::CancelledError("enough");
    };
    const auto outcome = attack_->Run(counting, counting, batch_, options);
    EXPECT_EQ(counting.passes, allowed);
    EXPECT_EQ(outcome.status(), allowed < all ? absl::CancelledError("enough")
                                              : absl::OkStatus());
  }
}

// A sweep gives what single runs give.
TEST_P(MetamorphicTest, EpsilonsDoNotDisturbEachOther) {
  RunOptions options = Options();
  const double epsilon = options.epsilons[0];
  const AttackResult alone = Run(network_, batch_);
  options.epsilons = {epsilon * 1.5, epsilon};
  const AttackOutcome sweep =
      attack_->Run(network_, network_, batch_, options).value();
  EXPECT_TRUE(sweep.results[1].images.equal(alone.images));
  EXPECT_TRUE(sweep.results[1].logits.equal(alone.logits));
  EXPECT_TRUE(sweep.results[1].iterations.equal(alone.iterations));
}

}  // namespace
}  // namespace adv
