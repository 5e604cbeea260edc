#include "server/compute/speeds.h"

#include <gtest/gtest.h>

namespace adv {
namespace {

TEST(SpeedsTest, AModelsOwnJobsTellMoreThanThoseOfOthers) {
  Speeds speeds;
  EXPECT_EQ(speeds.Of("a").cost_per_second, 0);
  EXPECT_FALSE(speeds.Of("a").of_model);
  speeds.Measure("b", 20, 2);
  EXPECT_EQ(speeds.Of("a").cost_per_second, 10);
  EXPECT_FALSE(speeds.Of("a").of_model);
  speeds.Measure("a", 1000, 1);
  EXPECT_EQ(speeds.Of("a").cost_per_second, 1000);
  EXPECT_TRUE(speeds.Of("a").of_model);
  EXPECT_EQ(speeds.Of("b").cost_per_second, 10);
}

TEST(SpeedsTest, ASmallJobThatWaitedTellsLittle) {
  Speeds speeds;
  for (int i = 0; i < 100; ++i) {
    speeds.Measure("a", 1000, 1);
    speeds.Measure("a", 1, .01);
  }
  EXPECT_NEAR(speeds.Of("a").cost_per_second, 1000, 20);
}

TEST(SpeedsTest, NewerJobsTellMore) {
  Speeds speeds;
  for (int i = 0; i < 100; ++i) speeds.Measure("a", 1000, 1);
  for (int i = 0; i < 20; ++i) speeds.Measure("a", 100, 1);
  EXPECT_NEAR(speeds.Of("a").cost_per_second, 100, 20);
}

}  // namespace
}  // namespace adv
