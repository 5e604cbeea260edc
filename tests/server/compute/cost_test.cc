#include "server/compute/cost.h"

#include <gtest/gtest.h>

namespace adv {
namespace {

TEST(CostTest, FgsmSharesItsGradient) {
  EXPECT_EQ(AttackCost(FgsmConfig{}, {.01}, 10), 1 + 2 + 1);
  EXPECT_EQ(AttackCost(FgsmConfig{}, {.01, .02, .03}, 10), 1 + 2 + 3);
}

TEST(CostTest, IgsmTakesAGradientAStep) {
  IgsmConfig config;
  config.steps = 10;
  EXPECT_EQ(AttackCost(config, {.01, .02}, 10), 1 + 2 * (2 * 10 + 1));
  // Kurakin's rule: 10 steps at 8 levels.
  EXPECT_EQ(AttackCost(IgsmConfig{}, {8. / 255}, 10), 1 + 2 * 10 + 1);
}

TEST(CostTest, RestartsAndTargetsRepeatTheWalk) {
  PgdConfig pgd;
  pgd.steps = 5;
  pgd.restarts = 3;
  EXPECT_EQ(AttackCost(pgd, {.01}, 10), 1 + 3 * (2 * 5 + 1));
  ApgdConfig apgd;
  apgd.steps = 5;
  apgd.loss = ApgdConfig::Loss::kTargetedDlr;
  // The start's gradient too; of 5 classes 4 are others.
  EXPECT_EQ(AttackCost(apgd, {.01}, 5), 1 + 4 * (2 * 6 + 1));
}

TEST(CostTest, FabAsksForAVerdictInEachStep) {
  FabConfig fab;
  fab.steps = 5;
  fab.restarts = 3;
  EXPECT_EQ(AttackCost(fab, {.01, .02}, 10), 1 + 3 * 5 * (2 * 10 + 1));
  // On its way to each target; of 5 classes 4 are others.
  fab.target_classes = 9;
  EXPECT_EQ(AttackCost(fab, {.01, .02}, 5), 1 + 3 * 4 * 5 * (2 + 1));
}

TEST(CostTest, MinimisingAttacksRunOnceForAllEpsilons) {
  HopSkipJumpConfig config;
  config.queries = 50;
  EXPECT_EQ(AttackCost(config, {.01, .02}, 10), 1 + 50);
}

TEST(CostTest, AnEnsembleIsTheSumOfItsMembers) {
  AutoAttackConfig ensemble;
  ensemble.members = {{FgsmConfig{}}, {NoiseConfig{}}};
  EXPECT_EQ(AttackCost(ensemble, {.01}, 10), 1 + 3 + 1);
}

TEST(CostTest, AnEvaluationIsTheSumOfItsAttacks) {
  EvaluationPlan plan;
  plan.attacks = {FgsmConfig{}, IgsmConfig{}};
  plan.epsilons = {8. / 255};
  EXPECT_EQ(EvaluationCost(plan, 10), 1 + 4 + 22);
}

}  // namespace
}  // namespace adv
