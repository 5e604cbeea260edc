#include "engine/attacks/noise.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "engine/attacks/minimising.h"
#include "engine/nn/loss.h"
#include "tests/engine/attacks/test_networks.h"

namespace adv {
namespace {

using Distribution = NoiseConfig::Distribution;

class NoiseTest : public ::testing::Test {
 protected:
  // The noise over its size, on images that keep the box out of it.
  at::Tensor Drawn(Distribution distribution, Norm norm) const {
    AttackBatch batch;
    batch.images = at::full({400, 3, 4, 4}, 0.5);
    batch.labels = at::zeros({400}, at::kLong);
    const at::Tensor images = RunOne(NoiseConfig{distribution}, *network_,
                                     batch, AtEpsilon(0.2, norm))
                                  .images;
    return (images - batch.images) / 0.2;
  }

  const std::shared_ptr<const Network> network_ = RandomNetwork(100);
  const AttackBatch batch_ = RandomBatch(*network_, 64, 101);
};

double MeanSquare(const at::Tensor& values) {
  return values.square().mean().item<double>();
}

TEST_F(NoiseTest, UniformInTheBall) {
  const at::Tensor linf = Drawn(Distribution::kUniform, Norm::kLinf);
  EXPECT_LE(linf.abs().max().item<double>(), 1 + 1e-5);
  EXPECT_NEAR(linf.mean().item<double>(), 0, 0.02);
  EXPECT_NEAR(MeanSquare(linf), 1.0 / 3, 0.01);
  const at::Tensor share =
      SizesOf(Drawn(Distribution::kUniform, Norm::kL2), Norm::kL2).pow(48);
  EXPECT_NEAR(share.mean().item<double>(), 0.5, 0.05);
}

// Standard deviation 1/2: a share of 4.55 % is clipped to the edge.
TEST_F(NoiseTest, Gaussian) {
  const at::Tensor linf = Drawn(Distribution::kGaussian, Norm::kLinf);
  EXPECT_LE(linf.abs().max().item<double>(), 1 + 1e-5);
  EXPECT_NEAR(linf.abs().ge(1 - 1e-5).to(at::kFloat).mean().item<double>(),
              0.0455, 0.005);
  EXPECT_NEAR(linf.abs().le(0.5).to(at::kFloat).mean().item<double>(), 0.6827,
              0.02);
  const at::Tensor l2 = Drawn(Distribution::kGaussian, Norm::kL2);
  EXPECT_TRUE(
      SizesOf(l2, Norm::kL2).allclose(at::ones({400}, at::kDouble), 0, 1e-5));
  EXPECT_NEAR(MeanSquare(l2) * 48, 1, 1e-4);
}

TEST_F(NoiseTest, IsNotTheStartOfAnAttackWithTheSameSeed) {
  const RunOptions options = AtEpsilon(0.05, Norm::kLinf);
  EXPECT_FALSE(
      RunOne(NoiseConfig{}, *network_, batch_, options)
          .images.allclose(
              RunOne(PgdConfig{1e-9, 1}, *network_, batch_, options).images, 0,
              1e-3));
}

TEST_F(NoiseTest, RepeatsKeepTheWorst) {
  for (bool targeted : {false, true}) {
    AttackBatch batch = batch_;
    if (targeted) batch.targets = (batch.labels + 1).remainder(5);
    const RunOptions options = AtEpsilon(0.15, Norm::kLinf);
    AttackResult before;
    for (int64_t repeats : {1, 2, 5, 20}) {
      const AttackResult result =
          RunOne(NoiseConfig{Distribution::kUniform, repeats}, *network_, batch,
                 options);
      EXPECT_EQ(result.gradients.sum().item<int64_t>(), 0);
      EXPECT_TRUE(result.forwards.masked_select(result.success.logical_not())
                      .eq(repeats)
                      .all()
                      .item<bool>());
      if (before.images.defined()) {
        const at::Tensor fell = before.success.nonzero().flatten();
        EXPECT_TRUE(result.images.index_select(0, fell).equal(
            before.images.index_select(0, fell)));
        const at::Tensor stands = result.success.logical_not();
        const auto loss = [&](const AttackResult& of) {
          const at::Tensor value =
              targeted ? AttackLoss(of.logits, batch.targets).neg()
                       : AttackLoss(of.logits, batch.labels);
          return value.masked_select(stands);
        };
        EXPECT_TRUE(loss(result).ge(loss(before)).all().item<bool>());
        EXPECT_FALSE(result.images.equal(before.images));
      }
      before = result;
    }
    EXPECT_GT(before.success.sum().item<int64_t>(), targeted ? 0 : 8);
    EXPECT_LT(before.success.sum().item<int64_t>(), 64);
  }
}

TEST_F(NoiseTest, LooksAtNoSource) {
  const CountingNetwork source(RandomNetwork(102));
  const RunOptions options = AtEpsilons({0.1});
  const AttackOutcome outcome =
      Make(NoiseConfig{})->Run(*network_, source, batch_, options).value();
  EXPECT_EQ(source.passes, 0);
  EXPECT_TRUE(outcome.results[0].images.equal(
      RunOne(NoiseConfig{}, *network_, batch_, options).images));
}

TEST_F(NoiseTest, AnyIterateLeavesWhatIsWrongAlready) {
  RunOptions options = AtEpsilons({0.1});
  const AttackResult last = RunOne(NoiseConfig{}, *network_, batch_, options);
  EXPECT_FALSE(last.images[7].equal(batch_.images[7]));
  options.success = SuccessRule::kAnyIterate;
  const AttackResult any = RunOne(NoiseConfig{}, *network_, batch_, options);
  EXPECT_TRUE(any.images[7].equal(batch_.images[7]));
  EXPECT_EQ(any.iterations[7].item<int64_t>(), 0);
  EXPECT_EQ(any.forwards[7].item<int64_t>(), 0);
  EXPECT_TRUE(any.images[0].equal(last.images[0]));
}

}  // namespace
}  // namespace adv
