// How walks share a tile; what they do is in gradient_steps_test.cc and
// pgd_test.cc.
#include "engine/attacks/stepping_attack.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/engine/attacks/test_networks.h"

namespace adv {
namespace {

using ::testing::ElementsAre;

class SteppingAttackTest : public ::testing::Test {
 protected:
  // Gives the passes' sizes to `counting`.
  AttackOutcome Run(const AttackConfig& config, int64_t images,
                    const RunOptions& options) {
    batch_ = RandomBatch(*network_, images, 71);
    return Make(config)->Run(counting_, counting_, batch_, options).value();
  }

  const std::shared_ptr<const Network> network_ = RandomNetwork(70);
  const CountingNetwork counting_{network_};
  AttackBatch batch_;
};

TEST_F(SteppingAttackTest, AllEpsilonsOfAnImageGoSideBySide) {
  const RunOptions options = AtEpsilons({0.01, 0.02, 0.05, 0, 0.04});
  Run(PgdConfig{{}, 3}, 1, options);
  EXPECT_THAT(counting_.gradient_passes, ElementsAre(5, 5, 5));
  // And the clean verdict, which is the report's.
  EXPECT_THAT(counting_.forward_passes, ElementsAre(5, 1));
}

TEST_F(SteppingAttackTest, ASweepOfOneImageIsAGradientAndAForward) {
  Run(FgsmConfig{}, 1, AtEpsilons({0.01, 0.02, 0.03, 0.04}));
  EXPECT_THAT(counting_.gradient_passes, ElementsAre(1));
  EXPECT_THAT(counting_.forward_passes, ElementsAre(4));
}

// By Kurakin's rule 2, 3 and 10 steps, of which the first is the clean one.
TEST_F(SteppingAttackTest, WalksOfATileMayHaveOtherStepsToGo) {
  Run(IgsmConfig{}, 1, AtEpsilons({1.0 / 255, 8.0 / 255, 2.0 / 255}));
  EXPECT_THAT(counting_.gradient_passes,
              ElementsAre(1, 3, 2, 1, 1, 1, 1, 1, 1, 1));
  EXPECT_THAT(counting_.forward_passes, ElementsAre(3));
}

// While there is someone who waits, no pass has an empty slot.
TEST_F(SteppingAttackTest, AFreedSlotIsTakenAtOnce) {
  RunOptions options = AtEpsilons({0.03, 0.05, 0.04, 0.06});
  options.success = SuccessRule::kAnyIterate;
  constexpr int64_t kImages = 40, kSteps = 8;
  const AttackOutcome outcome = Run(PgdConfig{{}, kSteps}, kImages, options);
  int64_t early = 0;
  for (const AttackResult& result : outcome.results) {
    early += result.iterations.gt(0)
                 .logical_and_(result.iterations.lt(kSteps))
                 .sum()
                 .item<int64_t>();
  }
  EXPECT_GT(early, kImages);
  const std::vector<int64_t>& passes = counting_.gradient_passes;
  const auto thin = std::find_if(passes.begin(), passes.end(),
                                 [](int64_t rows) { return rows < kImages; });
  // One by one the four epsilons would take at least so many.
  EXPECT_LT(passes.size(), 4 * kSteps);
  EXPECT_GT(thin - passes.begin(), kSteps);
  EXPECT_LE(passes.end() - thin, kSteps);
  EXPECT_TRUE(std::is_sorted(thin, passes.end(), std::greater<>()));
}

// In a tile of two starts of the same image, each has its own draws.
TEST_F(SteppingAttackTest, AStartThatFailedIsFollowedByTheNext) {
  const RunOptions options = AtEpsilons({0.001});
  const AttackOutcome outcome = Run(PgdConfig{{}, 2, 3}, 8, options);
  const AttackResult& result = outcome.results[0];
  const at::Tensor wrong = outcome.clean_logits.argmax(1).ne(batch_.labels);
  EXPECT_TRUE(result.success.equal(wrong));
  EXPECT_TRUE(result.gradients.equal(at::where(wrong, 2, 6)));
  EXPECT_TRUE(result.forwards.equal(at::where(wrong, 1, 3)));
}

TEST_F(SteppingAttackTest, ASweepIsItsEpsilonsOneByOneBitForBit) {
  const std::vector<double> epsilons = {0.08, 0.001, 0.03, 0.05};
  for (const AttackConfig& config :
       {AttackConfig(PgdConfig{{}, 5, 3}), AttackConfig(MiFgsmConfig{{}, 5}),
        AttackConfig(IterativeLeastLikelyConfig{0.01, 5})}) {
    for (Norm norm : {Norm::kLinf, Norm::kL2}) {
      if (!Make(config)->HasNorm(norm)) continue;
      const bool drawn = AttackName(config) == "pgd";
      RunOptions options = AtEpsilon(0, norm);
      options.success = SuccessRule::kAnyIterate;
      options.epsilons = epsilons;
      const AttackOutcome sweep = Run(config, 24, options);
      for (size_t i = 0; i < epsilons.size(); ++i) {
        options.epsilons = {epsilons[i]};
        const AttackResult one = Run(config, 24, options).results[0];
        const AttackResult& same = sweep.results[i];
        EXPECT_TRUE(same.images.equal(one.images));
        EXPECT_TRUE(same.logits.equal(one.logits));
        EXPECT_TRUE(same.iterations.equal(one.iterations));
        EXPECT_TRUE(same.zero_gradient.equal(one.zero_gradient));
        EXPECT_TRUE(same.forwards.equal(one.forwards));
        // Without a start of its own it shares the clean gradient.
        EXPECT_TRUE(
            same.gradients.equal(one.gradients - (drawn || i == 0 ? 0 : 1)));
      }
    }
  }
}

}  // namespace
}  // namespace adv
