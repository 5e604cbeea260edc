#include <gtest/gtest.h>

#include "engine/training/early_stopping.h"
#include "engine/training/learning_rate.h"
#include "engine/training/settings.h"

namespace adv {
namespace {

TEST(LearningRateTest, DecaysPerUpdateAsKerasDoes) {
  const TrainingSettings thesis;
  EXPECT_DOUBLE_EQ(LearningRateAt(thesis, 0, 1000000), 1e-4);
  EXPECT_DOUBLE_EQ(LearningRateAt(thesis, 25000, 1000000), 8e-5);
  EXPECT_DOUBLE_EQ(LearningRateAt(thesis, 100000, 1000000), 5e-5);
}

TEST(LearningRateTest, DropsAfterTheirShareOfTheSteps) {
  TrainingSettings settings;
  settings.learning_rate = 1;
  settings.decay_per_update = 0;
  settings.learning_rate_drops = {{0.6, 0.3}, {0.85, 0.1}};
  EXPECT_DOUBLE_EQ(LearningRateAt(settings, 59, 100), 1);
  EXPECT_DOUBLE_EQ(LearningRateAt(settings, 60, 100), 0.3);
  EXPECT_DOUBLE_EQ(LearningRateAt(settings, 84, 100), 0.3);
  EXPECT_DOUBLE_EQ(LearningRateAt(settings, 85, 100), 0.1);
  settings.decay_per_update = 0.01;
  EXPECT_DOUBLE_EQ(LearningRateAt(settings, 90, 100), 0.1 / 1.9);
}

TEST(EarlyStoppingTest, StopsAfterPatienceEpochsWithoutImprovement) {
  EarlyStopping rule(/*patience=*/2, /*min_delta=*/0.1);
  rule.Observe(1.0);
  rule.Observe(0.95);  // falls, but by less than min_delta
  EXPECT_FALSE(rule.should_stop());
  rule.Observe(0.92);
  EXPECT_TRUE(rule.should_stop());
}

TEST(EarlyStoppingTest, MeasuresImprovementFromTheBestNotTheLast) {
  EarlyStopping rule(2, 0.1);
  for (double loss : {1.0, 0.95, 0.85}) rule.Observe(loss);
  EXPECT_FALSE(rule.should_stop());  // .85 is .15 below 1
  for (double loss : {0.9, 0.8}) rule.Observe(loss);
  EXPECT_TRUE(rule.should_stop());  // .8 is only .05 below .85
}

TEST(EarlyStoppingTest, PatienceZeroNeverStops) {
  EarlyStopping rule(0, 0);
  for (int i = 0; i < 100; ++i) rule.Observe(i);
  EXPECT_FALSE(rule.should_stop());
}

}  // namespace
}  // namespace adv
