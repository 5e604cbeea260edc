// What must not change when something that does not matter does.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/engine/attacks/test_networks.h"

namespace adv {
namespace {

class MetamorphicTest : public ::testing::TestWithParam<AttackConfig> {
 protected:
  AttackResult Run(const Network& network, const AttackBatch& batch,
                   double epsilon = 0.06) const {
    return Make(GetParam())
        ->Run(network, network, batch, AtEpsilons({epsilon}))
        .value()
        .results[0];
  }

  const at::Tensor weights_ = Normal({5, 48}, 20);
  const at::Tensor bias_ = weights_.sum(1) * -0.5;
  const ToyLinearNetwork network_{SmallShape(), weights_, bias_};
  const AttackBatch batch_ = RandomBatch(network_, 64, 21);
};

INSTANTIATE_TEST_SUITE_P(All, MetamorphicTest,
                         ::testing::Values(FgsmConfig{}, FgsmConfig{true},
                                           IgsmConfig{}, IgsmConfig{0.05, 7}));

TEST_P(MetamorphicTest, ConstantAddedToAllLogits) {
  const ToyLinearNetwork shifted(SmallShape(), weights_, bias_ + 7);
  const AttackResult plain = Run(network_, batch_);
  const AttackResult result = Run(shifted, batch_);
  EXPECT_TRUE(result.images.equal(plain.images));
  EXPECT_TRUE(result.iterations.equal(plain.iterations));
}

// Cross-entropy's gradient underflows at such margins.
TEST_P(MetamorphicTest, ScaledLogitsOfTwoClasses) {
  const auto two = [&](double scale) {
    return ToyLinearNetwork(SmallShape(), weights_.narrow(0, 0, 2) * scale,
                            bias_.narrow(0, 0, 2) * scale);
  };
  AttackBatch batch = batch_;
  batch.labels = two(1).Logits(batch.images).argmax(1);
  const AttackResult plain = Run(two(1), batch);
  EXPECT_GT(plain.success.sum().item<int64_t>(), 0);
  for (double scale : {10, 100, 1000}) {
    const AttackResult result = Run(two(scale), batch);
    EXPECT_TRUE(result.images.equal(plain.images)) << scale;
    EXPECT_TRUE(result.success.equal(plain.success)) << scale;
    EXPECT_FALSE(result.zero_gradient.any().item<bool>()) << scale;
  }
}

TEST_P(MetamorphicTest, ScaledLogitsOfManyClassesKeepTheirGradient) {
  for (double scale : {10, 100, 1000}) {
    const ToyLinearNetwork network(SmallShape(), weights_ * scale,
                                   bias_ * scale);
    const AttackResult result = Run(network, batch_);
    EXPECT_FALSE(result.zero_gradient.any().item<bool>()) << scale;
    EXPECT_GT(result.success.sum().item<int64_t>(), 32) << scale;
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
  EXPECT_TRUE(result.images.equal(plain.images));
  EXPECT_TRUE(result.success.equal(plain.success));
}

TEST_P(MetamorphicTest, PermutedBatch) {
  const at::Tensor order = Uniform({64}, 22).argsort();
  AttackBatch batch;
  batch.images = batch_.images.index_select(0, order);
  batch.labels = batch_.labels.index_select(0, order);
  const AttackResult plain = Run(network_, batch_);
  const AttackResult result = Run(network_, batch);
  EXPECT_TRUE(result.images.equal(plain.images.index_select(0, order)));
  EXPECT_TRUE(result.logits.equal(plain.logits.index_select(0, order)));
  EXPECT_TRUE(result.iterations.equal(plain.iterations.index_select(0, order)));
  EXPECT_TRUE(result.gradients.equal(plain.gradients.index_select(0, order)));
}

TEST_P(MetamorphicTest, OneByOneIsAllAtOnce) {
  const AttackResult all = Run(network_, batch_);
  for (int64_t i = 0; i < 64; ++i) {
    AttackBatch one;
    one.images = batch_.images.narrow(0, i, 1);
    one.labels = batch_.labels.narrow(0, i, 1);
    const AttackResult result = Run(network_, one);
    ASSERT_TRUE(result.images[0].equal(all.images[i]));
    ASSERT_TRUE(result.logits[0].equal(all.logits[i]));
    ASSERT_TRUE(result.iterations[0].equal(all.iterations[i]));
  }
}

TEST_P(MetamorphicTest, EpsilonZeroIsTheIdentity) {
  const at::Tensor before = batch_.images.clone();
  const AttackResult result = Run(network_, batch_, 0);
  EXPECT_TRUE(result.images.equal(before));
  EXPECT_TRUE(result.success.equal(
      network_.Logits(before).argmax(1).ne(batch_.labels)));
  EXPECT_TRUE(batch_.images.equal(before)) << "the input was written to";
}

TEST_P(MetamorphicTest, MemoryFormat) {
  AttackBatch batch = batch_;
  batch.images = batch_.images.contiguous(at::MemoryFormat::ChannelsLast);
  EXPECT_TRUE(Run(network_, batch).images.equal(Run(network_, batch_).images));
}

}  // namespace
}  // namespace adv
