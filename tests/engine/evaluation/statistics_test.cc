#include "engine/evaluation/statistics.h"

#include <gtest/gtest.h>

#include <cmath>

namespace adv {
namespace {

// Worked by hand from (p + z^2/2n +- z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n)
// with z = 1.959964.
TEST(WilsonRate, EightOfTen) {
  const Rate rate = WilsonRate(8, 10);
  EXPECT_EQ(rate.count, 8);
  EXPECT_EQ(rate.total, 10);
  EXPECT_DOUBLE_EQ(rate.value, 0.8);
  EXPECT_NEAR(rate.lower, 0.490162, 1e-6);
  EXPECT_NEAR(rate.upper, 0.943318, 1e-6);
}

TEST(WilsonRate, NoneAndAllReachTheEndsExactly) {
  // z^2 / (n + z^2) = 3.841459 / 13.841459
  EXPECT_EQ(WilsonRate(0, 10).lower, 0);
  EXPECT_NEAR(WilsonRate(0, 10).upper, 0.277533, 1e-6);
  EXPECT_NEAR(WilsonRate(10, 10).lower, 0.722467, 1e-6);
  EXPECT_EQ(WilsonRate(10, 10).upper, 1);
}

TEST(WilsonRate, NothingCountedIsUnknown) {
  const Rate rate = WilsonRate(0, 0);
  EXPECT_TRUE(std::isnan(rate.value));
  EXPECT_EQ(rate.lower, 0);
  EXPECT_EQ(rate.upper, 1);
}

TEST(WilsonRate, HoldsItsValueAndNarrows) {
  for (int64_t total : {1, 7, 100, 10000}) {
    for (int64_t count = 0; count <= total; count += 1 + total / 7) {
      const Rate rate = WilsonRate(count, total);
      EXPECT_LE(rate.lower, rate.value);
      EXPECT_GE(rate.upper, rate.value);
    }
  }
  const Rate few = WilsonRate(8, 10), many = WilsonRate(800, 1000);
  EXPECT_LT(many.upper - many.lower, few.upper - few.lower);
}

}  // namespace
}  // namespace adv
