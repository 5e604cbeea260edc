// What HopSkipJump and Boundary share.
#include "engine/attacks/decision_attack.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/engine/attacks/black_box_networks.h"

namespace adv {
namespace {

class DecisionAttackTest : public ::testing::TestWithParam<bool> {
 protected:
  static AttackConfig Config(int64_t queries) {
    if (GetParam()) return HopSkipJumpConfig{queries};
    return BoundaryConfig{queries};
  }
};

INSTANTIATE_TEST_SUITE_P(All, DecisionAttackTest, ::testing::Bool());

TEST_P(DecisionAttackTest, OneHotLogitsAreEnough) {
  const auto network = RandomNetwork(90);
  const AttackBatch batch = RandomBatch(*network, 16, 91);
  const RunOptions options = WithinTheBox(Norm::kL2);
  const AttackResult scores = RunOne(Config(400), *network, batch, options);
  const AttackResult decisions =
      RunOne(Config(400), OneHotNetwork(network), batch, options);
  EXPECT_TRUE(decisions.images.equal(scores.images));
  EXPECT_TRUE(decisions.iterations.equal(scores.iterations));
  EXPECT_TRUE(decisions.forwards.equal(scores.forwards));
}

TEST_P(DecisionAttackTest, KeepsToItsQueriesWhateverTheyAre) {
  const auto network = RandomNetwork(90);
  const AttackBatch batch = RandomBatch(*network, 16, 91);
  for (bool eight_bit : {false, true}) {
    for (int64_t queries : {1, 2, 7, 11, 12, 40, 150, 333}) {
      const CountingNetwork counting(network);
      RunOptions options = WithinTheBox(Norm::kL2);
      options.eight_bit = eight_bit;
      const AttackResult result =
          RunOne(Config(queries), counting, batch, options);
      EXPECT_LE(result.forwards.max().item<int64_t>(), queries);
      EXPECT_EQ(result.forwards.sum().item<int64_t>() + 16, counting.forwards)
          << "the clean forward is not counted";
      EXPECT_EQ(counting.gradients, 0);
    }
  }
}

TEST_P(DecisionAttackTest, SpendsNothingOnImagesThatAreWrong) {
  const auto network = RandomNetwork(90);
  const AttackBatch batch = RandomBatch(*network, 16, 91);
  const AttackResult result =
      RunOne(Config(50), *network, batch, WithinTheBox(Norm::kL2));
  for (int64_t i : {7, 15}) {
    EXPECT_TRUE(result.images[i].equal(batch.images[i]));
    EXPECT_EQ(result.iterations[i].item<int64_t>(), 0);
    EXPECT_EQ(result.forwards[i].item<int64_t>(), 0);
  }
  EXPECT_GT(result.forwards[0].item<int64_t>(), 10);
}

// Where nothing fools there is nothing to start from.
TEST_P(DecisionAttackTest, GivesUpAfterTenThousandStarts) {
  const ToyLinearNetwork network({1, 1, 2}, at::zeros({2, 2}), Floats({1, 0}));
  AttackBatch batch;
  batch.images = at::full({1, 1, 1, 2}, 0.5, at::kFloat);
  batch.labels = Longs({0});
  const RunOptions options = AtEpsilon(1, Norm::kL2);
  for (int64_t queries : {3, 20000}) {
    const AttackResult result =
        RunOne(Config(queries), network, batch, options);
    EXPECT_FALSE(result.success.item<bool>());
    EXPECT_TRUE(result.images.equal(batch.images));
    EXPECT_EQ(result.forwards.item<int64_t>(),
              std::min<int64_t>(queries, 10000));
  }
}

// The brightest of all pixels decides, which noise of single pixels has in
// every image; only an image of one or few colours is dark.
TEST_P(DecisionAttackTest, StartsFromCoarseNoiseWhereFineNoiseDoesNotFool) {
  class BrightestPixel final : public Network {
   public:
    int64_t num_classes() const override { return 2; }
    std::vector<int64_t> image_shape() const override { return {1, 16, 16}; }
    at::Device device() const override { return at::kCPU; }
    at::Tensor Logits(const at::Tensor& images) const override {
      const at::Tensor brightest = images.amax({1, 2, 3});
      return at::stack({brightest, at::full_like(brightest, 0.8)}, 1);
    }
    LogitsAndGradient InputGradient(const at::Tensor& images,
                                    const LogitGradient&) const override {
      return {Logits(images), at::zeros_like(images)};
    }
  };
  AttackBatch batch;
  batch.images = at::full({4, 1, 16, 16}, 0.9, at::kFloat);
  batch.labels = at::zeros({4}, at::kLong);
  const RunOptions options = AtEpsilon(16, Norm::kL2);
  const AttackResult result =
      RunOne(Config(100), BrightestPixel(), batch, options);
  EXPECT_TRUE(result.success.all().item<bool>());
}

TEST_P(DecisionAttackTest, TakesNoTargets) {
  const auto network = RandomNetwork(90);
  AttackBatch batch = RandomBatch(*network, 4, 91);
  batch.targets = (batch.labels + 1).remainder(5);
  EXPECT_THAT(Make(Config(10))
                  ->Run(*network, *network, batch, WithinTheBox(Norm::kL2))
                  .status()
                  .message(),
              ::testing::HasSubstr("leads to no class"));
}

}  // namespace
}  // namespace adv
