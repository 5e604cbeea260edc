#include "server/compute/speeds.h"

#include <gtest/gtest.h>

namespace adv {
namespace {

TEST(SpeedsTest, AModelsOwnJobsTellMoreThanThoseOfOthers) {
  Speeds speeds;
  EXPECT_EQ(speeds.Of("a").cost_per_second, 0);
  EXPECT_FALSE(speeds.Of("a").of_model);
  speeds.Measure("b", 10);
  EXPECT_EQ(speeds.Of("a").cost_per_second, 10);
  EXPECT_FALSE(speeds.Of("a").of_model);
  speeds.Measure("a", 1000);
  EXPECT_EQ(speeds.Of("a").cost_per_second, 1000);
  EXPECT_TRUE(speeds.Of("a").of_model);
  EXPECT_EQ(speeds.Of("b").cost_per_second, 10);
}

}  // namespace
}  // namespace adv
