#include "model_store/trainer/progress.h"

#include <gtest/gtest.h>

namespace adv {
namespace {

TEST(FormatDurationTest, NamesTwoUnits) {
  EXPECT_EQ(FormatDuration(0), "0s");
  EXPECT_EQ(FormatDuration(59.4), "59s");
  EXPECT_EQ(FormatDuration(59.6), "1m00s");
  EXPECT_EQ(FormatDuration(754), "12m34s");
  EXPECT_EQ(FormatDuration(3599.9), "1h00m");
  EXPECT_EQ(FormatDuration(90061), "25h01m");
  EXPECT_EQ(FormatDuration(-3), "0s");
}

}  // namespace
}  // namespace adv
