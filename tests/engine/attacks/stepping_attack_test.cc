// How walks share a tile; what they do is in gradient_steps_test.cc and
// pgd_test.cc.
#include "engine/attacks/stepping_attack.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

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

// Of an image that stands, each start costs its steps and a verdict.
TEST_F(SteppingAttackTest, AStartThatFailedIsFollowedByTheNext) {
  const RunOptions options = AtEpsilons({0.001});
  const AttackOutcome outcome = Run(PgdConfig{{}, 2, 3}, 8, options);
  const AttackResult& result = outcome.results[0];
  const at::Tensor wrong = outcome.clean_logits.argmax(1).ne(batch_.labels);
  EXPECT_TRUE(result.success.equal(wrong));
  EXPECT_TRUE(result.gradients.equal(at::where(wrong, 2, 6)));
  EXPECT_TRUE(result.forwards.equal(at::where(wrong, 1, 3)));
}

TEST_F(SteppingAttackTest, ImagesThatFoolAsTheyAreTakeNoSlot) {
  const auto network = RandomNetwork(70);
  AttackBatch batch = RandomBatch(*network, 1, 71);
  batch.labels = (batch.labels + 1).remainder(5);
  RunOptions options = AtEpsilons({0.01, 0.05});
  options.success = SuccessRule::kAnyIterate;
  const AttackOutcome outcome =
      Make(PgdConfig{})->Run(*network, *network, batch, options).value();
  for (const AttackResult& result : outcome.results) {
    EXPECT_TRUE(result.images.equal(batch.images));
    EXPECT_TRUE(result.success.item<bool>());
    EXPECT_EQ(result.iterations.item<int64_t>(), 0);
    EXPECT_EQ(result.gradients.item<int64_t>(), 0);
    EXPECT_EQ(result.forwards.item<int64_t>(), 0);
  }
}

// A way of running that shares a tile in its own manner.
struct Mode {
  const char* name;
  SuccessRule success = SuccessRule::kAnyIterate;
  bool targeted = false, eight_bit = false, transfer = false;
};

TEST_F(SteppingAttackTest, ASweepIsItsEpsilonsOneByOneBitForBit) {
  const auto source = RandomNetwork(72);
  const std::vector<double> epsilons = {0.08, 0.005, 0.03, 0.05};
  for (const Mode& mode :
       {Mode{"any"}, Mode{"last", SuccessRule::kLastIterate},
        Mode{"targeted", SuccessRule::kAnyIterate, true},
        Mode{"bytes", SuccessRule::kAnyIterate, false, true},
        Mode{"transfer", SuccessRule::kLastIterate, false, false, true}}) {
    SCOPED_TRACE(mode.name);
    for (const AttackConfig& config :
         {AttackConfig(PgdConfig{{}, 5, 3}), AttackConfig(MiFgsmConfig{{}, 5}),
          AttackConfig(IterativeLeastLikelyConfig{0.01, 5})}) {
      const auto attack = Make(config);
      if (mode.targeted && !attack->traits().takes_targets) continue;
      // With a start of its own, nothing clean is shared.
      const bool drawn = AttackName(config) == "pgd";
      AttackBatch batch = RandomBatch(*network_, 24, 71);
      if (mode.targeted) batch.targets = (batch.labels + 1).remainder(5);
      for (Norm norm : {Norm::kLinf, Norm::kL2}) {
        if (!attack->traits().HasNorm(norm)) continue;
        RunOptions options = AtEpsilon(0, norm);
        options.success = mode.success;
        options.eight_bit = mode.eight_bit;
        const auto run = [&](const std::vector<double>& at) {
          options.epsilons = at;
          return attack
              ->Run(*network_, mode.transfer ? *source : *network_, batch,
                    options)
              .value()
              .results;
        };
        const std::vector<AttackResult> sweep = run(epsilons);
        for (size_t i = 0; i < epsilons.size(); ++i) {
          const AttackResult one = run({epsilons[i]})[0];
          EXPECT_TRUE(sweep[i].images.equal(one.images));
          EXPECT_TRUE(sweep[i].logits.equal(one.logits));
          EXPECT_TRUE(sweep[i].iterations.equal(one.iterations));
          EXPECT_TRUE(sweep[i].zero_gradient.equal(one.zero_gradient));
          if (drawn || i == 0) {
            EXPECT_TRUE(sweep[i].gradients.equal(one.gradients));
            EXPECT_TRUE(sweep[i].forwards.equal(one.forwards));
          } else {
            EXPECT_TRUE(sweep[i].gradients.equal(one.gradients - 1));
            EXPECT_TRUE(sweep[i].forwards.le(one.forwards).all().item<bool>());
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace adv
