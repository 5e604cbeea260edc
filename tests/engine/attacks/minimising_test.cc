#include "engine/attacks/minimising.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <limits>
#include <utility>

#include "engine/attacks/attacked_model.h"
#include "engine/attacks/ball.h"
#include "tests/engine/attacks/test_networks.h"

namespace adv {
namespace {

// Finds what it is told to, at the cost of two forwards an image.
class Scripted final : public MinimisingAttack {
 public:
  explicit Scripted(Nearest found) : found_(std::move(found)) {}

 private:
  absl::StatusOr<Nearest> FindNearest(AttackedModel& model,
                                      const AttackBatch& batch,
                                      const RunOptions&) const override {
    const absl::StatusOr<Nearest> start = AtOriginals(model, batch);
    if (!start.ok()) return start.status();
    Nearest found = found_;
    const at::Tensor all = at::arange(batch.labels.size(0), at::kLong);
    for (int pass_number = 0; pass_number < 2; ++pass_number) {
      const absl::StatusOr<at::Tensor> logits = model.Scores(found.images, all);
      if (!logits.ok()) return logits.status();
      found.logits = *logits;
    }
    return found;
  }

  const Nearest found_;
};

// One grey value an image; class 1 above `threshold`, class 0 up to it.
ToyLinearNetwork Threshold(double threshold) {
  return ToyLinearNetwork({1, 1, 1}, Floats({0, 1}).view({2, 1}),
                          Floats({0, static_cast<float>(-threshold)}));
}

at::Tensor Greys(const std::vector<float>& values) {
  return Floats(values).view({-1, 1, 1, 1});
}

at::Tensor Bools(const std::vector<int64_t>& values) {
  return Longs(values).to(at::kBool);
}

class MinimisingTest : public ::testing::Test {
 protected:
  // Images of .2, .4 and .7, all of class 0; the last is wrong before. The
  // attack finds .75 for the first, nothing for the second.
  MinimisingTest() {
    batch_.images = Greys({0.2, 0.4, 0.7});
    batch_.labels = Longs({0, 0, 0});
    found_ = {Greys({0.75, 0.9, 0.7}), {}, Bools({1, 0, 1}), Longs({5, 0, 0})};
  }

  std::vector<AttackResult> Run(const RunOptions& options) const {
    return Scripted(found_)
        .Run(network_, network_, batch_, options)
        .value()
        .results;
  }

  const ToyLinearNetwork network_ = Threshold(0.6);
  AttackBatch batch_;
  Nearest found_;
};

TEST_F(MinimisingTest, WhatLiesWithinTheEpsilonIsTheResult) {
  const std::vector<AttackResult> results = Run(AtEpsilons({0.56, 0.54, 0, 1}));
  for (size_t i : {0, 3}) {
    EXPECT_TRUE(results[i].images.equal(Greys({0.75, 0.4, 0.7})));
    EXPECT_TRUE(results[i].success.equal(Bools({1, 0, 1})));
    EXPECT_TRUE(results[i].iterations.equal(Longs({5, -1, 0})));
  }
  for (size_t i : {1, 2}) {
    EXPECT_TRUE(results[i].images.equal(batch_.images));
    EXPECT_TRUE(results[i].success.equal(Bools({0, 0, 1})));
    EXPECT_TRUE(results[i].iterations.equal(Longs({-1, -1, 0})));
  }
  for (const AttackResult& result : results) {
    EXPECT_TRUE(result.logits.equal(network_.Logits(result.images).value()));
  }
}

TEST_F(MinimisingTest, TheSearchIsChargedOnce) {
  const std::vector<AttackResult> results = Run(AtEpsilons({0.1, 0.6, 0.7}));
  EXPECT_TRUE(results[0].forwards.equal(Longs({2, 2, 2})));
  EXPECT_TRUE(results[1].forwards.equal(Longs({0, 0, 0})));
  EXPECT_TRUE(results[2].forwards.equal(Longs({0, 0, 0})));
}

// The source is fooled at .6, the target at .8; each image but the originals is
// shown to the target once, whatever the number of epsilons.
TEST_F(MinimisingTest, TheTargetGivesTheVerdict) {
  const CountingNetwork target(
      std::make_shared<ToyLinearNetwork>(Threshold(0.8)));
  batch_.clean_logits = target.Logits(batch_.images).value();
  target.forwards = 0;
  found_.images = Greys({0.75, 0.85, 0.7});
  found_.found = Bools({1, 1, 1});
  const AttackOutcome outcome =
      Scripted(found_)
          .Run(target, network_, batch_, AtEpsilons({0.6, 0.5, 0.1}))
          .value();
  EXPECT_EQ(target.forwards, 2) << "the third is an original";
  // At the source: the originals, and two of the search.
  EXPECT_TRUE(outcome.results[0].forwards.equal(Longs({4, 4, 4})));
  EXPECT_TRUE(outcome.results[1].forwards.equal(Longs({0, 0, 0})));
  EXPECT_TRUE(outcome.results[0].images.equal(Greys({0.75, 0.85, 0.7})));
  EXPECT_TRUE(outcome.results[1].images.equal(Greys({0.2, 0.85, 0.7})));
  EXPECT_TRUE(outcome.results[0].success.equal(Bools({0, 1, 0})));
  EXPECT_TRUE(outcome.results[2].success.equal(Bools({0, 0, 0})));
  for (const AttackResult& result : outcome.results) {
    EXPECT_TRUE(result.logits.equal(target.Logits(result.images).value()));
  }
}

// An attack that claims too much is not believed.
TEST_F(MinimisingTest, FoundIsNotSuccess) {
  found_.images = Greys({0.5, 0.9, 0.7});
  EXPECT_TRUE(Run(AtEpsilons({1}))[0].success.equal(Bools({0, 0, 1})));
}

// In bytes: 51 and 102, of which the first is fooled from 154 on.
class LatticeTest : public ::testing::Test {
 protected:
  LatticeTest() {
    batch_.images = FromBytes(Greys({51, 102}));
    batch_.labels = Longs({0, 0});
  }

  // The byte that 51 ends at where `found` is what the attack found.
  double ByteOf(double found, Norm norm) const {
    const float value = static_cast<float>(found / 255);
    const Scripted attack(
        {Greys({value, 0.4}), {}, Bools({1, 0}), Longs({5, 0})});
    RunOptions options = AtEpsilons({1});
    options.norm = norm;
    options.eight_bit = true;
    const AttackResult result =
        attack.Run(network_, network_, batch_, options).value().results[0];
    EXPECT_TRUE(result.logits.equal(network_.Logits(result.images).value()));
    EXPECT_TRUE(result.images[1].equal(batch_.images[1]));
    const double byte = result.images[0].item<double>() * 255;
    EXPECT_EQ(result.success[0].item<bool>(), byte > 153.5);
    return byte;
  }

  const ToyLinearNetwork network_ = Threshold(153.5 / 255);
  AttackBatch batch_;
};

TEST_F(LatticeTest, RoundsToTheNearestByteThatFools) {
  for (Norm norm : {Norm::kLinf, Norm::kL2}) {
    EXPECT_NEAR(ByteOf(160.3, norm), 160, 1e-3);
    EXPECT_NEAR(ByteOf(160.7, norm), 161, 1e-3);
  }
}

// Just across the boundary, in a network for which rounding is not enough.
TEST_F(LatticeTest, MovesOutwardWhereTheNearestByteDoesNotFool) {
  EXPECT_NEAR(ByteOf(153.49, Norm::kLinf), 154, 1e-3);
  EXPECT_NEAR(ByteOf(153.49, Norm::kL2), 156, 1e-3);  // 1.02 times as far
}

// Eight levels and not seven, however 8/255 was typed.
TEST_F(LatticeTest, AnEpsilonOfFewDigitsIsItsLevels) {
  const ToyLinearNetwork network = Threshold(58.5 / 255);
  const Scripted attack(
      {Greys({59.0f / 255, 0.4}), {}, Bools({1, 0}), Longs({5, 0})});
  RunOptions options = AtEpsilons({0.0313725, 7.9 / 255});
  options.eight_bit = true;
  const auto outcome = attack.Run(network, network, batch_, options);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_TRUE(outcome->results[0].success[0].item<bool>());
  EXPECT_FALSE(outcome->results[1].success[0].item<bool>());
}

TEST_F(LatticeTest, GivesUpWhatIsMoreThanTwiceAsFar) {
  for (Norm norm : {Norm::kLinf, Norm::kL2}) {
    EXPECT_NEAR(ByteOf(103, norm), 155, 1e-3);
    EXPECT_NEAR(ByteOf(101, norm), 51, 1e-3);
  }
}

// Below half a byte at every pixel, rounding leaves nothing.
TEST(Lattice, SmallPerturbationsAreRoundedOutward) {
  const at::Tensor w = Normal({75}, 60).sign() * (Uniform({75}, 61) + 0.5);
  const at::Tensor images = FromBytes(at::full({1, 3, 5, 5}, 128, at::kFloat));
  const ToyLinearNetwork network(
      {3, 5, 5}, at::stack({at::zeros_like(w), w}),
      at::stack({at::zeros({}), -w.dot(images.flatten()) - 0.001}));
  AttackBatch batch;
  batch.images = images;
  batch.labels = Longs({0});
  const at::Tensor found =
      images + w.view({1, 3, 5, 5}) * (0.0011 / w.square().sum());
  for (Norm norm : {Norm::kLinf, Norm::kL2}) {
    RunOptions options = AtEpsilons({1});
    options.norm = norm;
    options.eight_bit = true;
    const AttackResult result = Scripted({found, {}, Bools({1}), Longs({1})})
                                    .Run(network, network, batch, options)
                                    .value()
                                    .results[0];
    EXPECT_TRUE(result.success.item<bool>());
    EXPECT_TRUE(
        (ToBytes(result.images) - 128).equal(w.sign().view({1, 3, 5, 5})));
  }
}

TEST(NearestSoFar, KeepsTheNearestThatFools) {
  const at::Tensor originals = Greys({0.5, 0.5, 0.5});
  NearestSoFar nearest({originals.clone(), at::zeros({3, 2}), Bools({0, 0, 1}),
                        Longs({0, 0, 0})},
                       originals, Norm::kL2);
  EXPECT_TRUE(nearest.RowsToAttack().equal(Longs({0, 1})));
  const auto offer = [&](float first, float second, bool fooled, int64_t n) {
    nearest.Offer(Longs({1, 2}), Greys({first, second}),
                  at::full({2, 2}, static_cast<double>(n), at::kFloat),
                  Bools({fooled, fooled}), n);
  };
  offer(0.6, 0.6, false, 1);
  EXPECT_TRUE(nearest.RowsToAttack().equal(Longs({0, 1})));
  offer(0.8, 0.6, true, 2);
  offer(0.9, 0.6, true, 3);
  EXPECT_TRUE(nearest.nearest().iterations.equal(Longs({0, 2, 0})));
  offer(0.3, 0.6, true, 4);
  offer(0.25, 0.6, true, 5);
  const Nearest& found = nearest.nearest();
  EXPECT_TRUE(nearest.RowsToAttack().equal(Longs({0})));
  EXPECT_TRUE(found.found.equal(Bools({0, 1, 1})));
  EXPECT_TRUE(found.images.equal(Greys({0.5, 0.3, 0.5})));
  EXPECT_TRUE(found.iterations.equal(Longs({0, 4, 0})));
  EXPECT_TRUE(found.logits.select(1, 0).equal(Floats({0, 4, 0})));
  EXPECT_EQ(nearest.sizes()[0].item<double>(),
            std::numeric_limits<double>::infinity());
  EXPECT_NEAR(nearest.sizes()[1].item<double>(), 0.2, 1e-6);
}

}  // namespace
}  // namespace adv
