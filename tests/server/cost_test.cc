#include "server/cost.h"

#include <gtest/gtest.h>

namespace adv {
namespace {

TEST(CostTest, FgsmSharesItsGradient) {
  EXPECT_EQ(AttackCost(FgsmConfig{}, {.01}), 1 + 2 + 1);
  EXPECT_EQ(AttackCost(FgsmConfig{}, {.01, .02, .03}), 1 + 2 + 3);
}

TEST(CostTest, IgsmTakesAGradientAStep) {
  IgsmConfig config;
  config.steps = 10;
  EXPECT_EQ(AttackCost(config, {.01, .02}), 1 + 2 * (2 * 10 + 1));
  // Kurakin's rule: 10 steps at 8 levels.
  EXPECT_EQ(AttackCost(IgsmConfig{}, {8. / 255}), 1 + 2 * 10 + 1);
}

TEST(CostTest, AnEvaluationIsTheSumOfItsAttacks) {
  EvaluationPlan plan;
  plan.attacks = {FgsmConfig{}, IgsmConfig{}};
  plan.epsilons = {8. / 255};
  EXPECT_EQ(EvaluationCost(plan), 1 + 4 + 22);
}

}  // namespace
}  // namespace adv
