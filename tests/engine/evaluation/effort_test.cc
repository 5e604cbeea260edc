#include "engine/evaluation/effort.h"

#include <gtest/gtest.h>

namespace adv {
namespace {

constexpr double kEpsilon = 8 / 255.;

template <typename Config>
void ExpectMore(const Config& more) {
  EXPECT_TRUE(IsMoreOf(more, Config{}, kEpsilon)) << AttackName(more);
  EXPECT_FALSE(IsMoreOf(Config{}, more, kEpsilon)) << AttackName(more);
  EXPECT_FALSE(IsMoreOf(more, more, kEpsilon)) << AttackName(more);
}

template <typename Config>
void ExpectMoreBy(parameter::Count Config::*count) {
  Config more;
  more.*count = more.*count + 1;
  ExpectMore(more);
}

TEST(IsMoreOfTest, EveryCountCounts) {
  ExpectMoreBy(&PgdConfig::steps);
  ExpectMoreBy(&PgdConfig::restarts);
  ExpectMoreBy(&MiFgsmConfig::steps);
  ExpectMoreBy(&ApgdConfig::steps);
  ExpectMoreBy(&ApgdConfig::restarts);
  ExpectMoreBy(&DeepFoolConfig::steps);
  ExpectMoreBy(&CarliniWagnerConfig::steps);
  ExpectMoreBy(&CarliniWagnerConfig::binary_search_steps);
  ExpectMoreBy(&FabConfig::steps);
  ExpectMoreBy(&FabConfig::restarts);
  ExpectMoreBy(&SquareConfig::queries);
  ExpectMoreBy(&SquareConfig::restarts);
  ExpectMoreBy(&HopSkipJumpConfig::queries);
  ExpectMoreBy(&BoundaryConfig::queries);
  ExpectMoreBy(&NoiseConfig::repeats);
}

TEST(IsMoreOfTest, StepsThatFollowFromEpsilonCount) {
  IgsmConfig more;
  more.steps = IgsmSteps(std::nullopt, kEpsilon) + 1;
  ExpectMore(more);
  IterativeLeastLikelyConfig least_likely;
  least_likely.steps = more.steps;
  ExpectMore(least_likely);
  // Of another epsilon they are fewer than the rule's.
  EXPECT_TRUE(IsMoreOf(IgsmConfig{}, more, 4 * kEpsilon));
}

TEST(IsMoreOfTest, AnotherAttackIsNotMore) {
  PgdConfig other;
  other.steps = other.steps + 1;
  other.step_size = 0.01;
  EXPECT_FALSE(IsMoreOf(other, PgdConfig{}, kEpsilon));
  PgdConfig mixed;
  mixed.steps = mixed.steps + 1;
  mixed.restarts = 3;
  PgdConfig restarts;
  restarts.restarts = 4;
  EXPECT_FALSE(IsMoreOf(mixed, restarts, kEpsilon));
  EXPECT_FALSE(IsMoreOf(IgsmConfig{}, PgdConfig{}, kEpsilon));
  // FAB one by one is another attack than FAB at all classes at once.
  FabConfig targeted;
  targeted.target_classes = 9;
  EXPECT_FALSE(IsMoreOf(targeted, FabConfig{}, kEpsilon));
  EXPECT_FALSE(IsMoreOf(AutoAttackConfig{}, AutoAttackConfig{}, kEpsilon));
}

}  // namespace
}  // namespace adv
