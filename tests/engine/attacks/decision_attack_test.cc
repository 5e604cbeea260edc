// What HopSkipJump and Boundary share.
#include "engine/attacks/decision_attack.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/attacks/minimising.h"
#include "tests/engine/attacks/black_box_networks.h"

namespace adv {
namespace {

// Images, each with another class as its target and examples of all classes.
AttackBatch TargetedBatch(const Network& network, int64_t count) {
  AttackBatch batch = RandomBatch(network, count, 91);
  batch.targets = (batch.labels + 1).remainder(5);
  const AttackBatch examples = RandomBatch(network, 60, 92);
  batch.examples = examples.images;
  // Every eighth of them is not what it is said to be.
  batch.example_classes = examples.labels;
  return batch;
}

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
      EXPECT_LE(RunOne(Config(queries), *network, TargetedBatch(*network, 16),
                       options)
                    .forwards.max()
                    .item<int64_t>(),
                queries);
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
    BrightestPixel() : Network(OnCpu({1, 16, 16}, 2)) {}
    absl::StatusOr<at::Tensor> Logits(const at::Tensor& images) const override {
      const at::Tensor brightest = images.amax({1, 2, 3});
      return at::stack({brightest, at::full_like(brightest, 0.8)}, 1);
    }
    absl::StatusOr<LogitsAndGradient> InputGradient(
        const at::Tensor& images, const LogitGradient&) const override {
      return LogitsAndGradient{*Logits(images), at::zeros_like(images)};
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

TEST_P(DecisionAttackTest, GoesFromExamplesToTheTarget) {
  const auto network = RandomNetwork(90);
  const AttackBatch batch = TargetedBatch(*network, 16);
  const RunOptions options = WithinTheBox(Norm::kL2);
  const AttackResult result = RunOne(Config(600), *network, batch, options);
  EXPECT_TRUE(result.success.all().item<bool>());
  EXPECT_TRUE(result.logits.argmax(1).equal(batch.targets));
  EXPECT_LE(result.forwards.max().item<int64_t>(), 600);
  // Much nearer than where it began, and near what gradients find.
  const at::Tensor found = SizesOf(result.images - batch.images, Norm::kL2);
  const at::Tensor nearest = SizesOf(
      RunOne(DeepFoolConfig{}, *network, batch, options).images - batch.images,
      Norm::kL2);
  EXPECT_TRUE(found.le(nearest * 1.6).all().item<bool>());
}

// Its first questions are the examples of the target, the nearest first, until
// one is of that class to the network.
TEST_P(DecisionAttackTest, AsksAboutTheNearestExamplesFirst) {
  const auto network = RandomNetwork(90);
  AttackBatch batch = TargetedBatch(*network, 1);
  batch.clean_logits = network->Logits(batch.images).value();
  const at::Tensor own =
      batch.example_classes.eq(batch.targets).nonzero().flatten();
  const at::Tensor distances =
      SizesOf(batch.examples.index_select(0, own) - batch.images, Norm::kL2);
  const at::Tensor order = own.index_select(0, distances.argsort());
  // So that the first one is asked about in vain.
  batch.examples[order[0].item<int64_t>()] = batch.images[0];
  const RecordingNetwork recording(network);
  RunOne(Config(20), recording, batch, WithinTheBox(Norm::kL2));
  ASSERT_GT(recording.asked.size(), 2);
  EXPECT_TRUE(recording.asked[0].equal(batch.images));
  const at::Tensor second = batch.examples[order[1].item<int64_t>()];
  EXPECT_TRUE(recording.asked[1][0].equal(second));
  // Which is of the class, so that the way begins.
  EXPECT_TRUE(
      recording.asked[2][0].allclose((second + batch.images[0]) / 2, 0, 1e-6));
}

TEST_P(DecisionAttackTest, WithoutAnExampleOfTheTargetItTriesNoise) {
  const auto network = RandomNetwork(90);
  AttackBatch batch = TargetedBatch(*network, 16);
  batch.example_classes = batch.targets.narrow(0, 0, 1).expand({60});
  batch.targets = (batch.targets[0] + 1).remainder(5).expand({16}).contiguous();
  batch.labels = batch.targets.add(1).remainder(5);
  AttackBatch alone = batch;
  alone.examples = alone.example_classes = at::Tensor();
  const RunOptions options = WithinTheBox(Norm::kL2);
  const AttackResult result = RunOne(Config(300), *network, batch, options);
  EXPECT_TRUE(result.images.equal(
      RunOne(Config(300), *network, alone, options).images));
  EXPECT_GT(result.iterations.gt(0).sum().item<int64_t>(), 0);
}

TEST_P(DecisionAttackTest, ATargetsWalkKnowsNoNeighbours) {
  const auto network = RandomNetwork(90);
  const AttackBatch batch = TargetedBatch(*network, 8);
  const RunOptions options = WithinTheBox(Norm::kL2);
  const AttackResult all = RunOne(Config(120), *network, batch, options);
  for (int64_t i : {0, 3, 7}) {
    AttackBatch one = batch;
    for (at::Tensor* part : {&one.images, &one.labels, &one.targets}) {
      *part = part->narrow(0, i, 1);
    }
    one.samples = Longs({i});
    EXPECT_TRUE(RunOne(Config(120), *network, one, options)
                    .images.equal(all.images.narrow(0, i, 1)));
  }
}

}  // namespace
}  // namespace adv
