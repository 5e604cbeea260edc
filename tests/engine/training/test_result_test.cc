#include "engine/training/test_result.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/engine/toy_network.h"

namespace adv {
namespace {

TEST(TestNetworkTest, CountsByTrueAndPredictedLabel) {
  // Two channels of one pixel; the brighter one is the answer.
  Dataset data;
  data.class_names = {"first", "second"};
  data.images =
      at::tensor({255, 0, 0, 255, 255, 0}, at::kByte).view({3, 2, 1, 1});
  data.labels = at::tensor({0, 1, 1}, at::kLong);
  const TestResult result =
      TestNetwork(*MakeChannelMeanNetwork({2, 1, 1}), data).value();
  EXPECT_EQ(result.images, 3);
  EXPECT_EQ(result.correct, 2);
  EXPECT_THAT(result.confusion, testing::ElementsAre(1, 0, 1, 1));
  const double right = std::log(1 + std::exp(-1.0));
  const double wrong = std::log(1 + std::exp(1.0));
  EXPECT_NEAR(result.loss, (2 * right + wrong) / 3, 1e-6);
}

TEST(TestNetworkTest, CountsEveryImageOfManyBatches) {
  Dataset data;
  data.images = at::full({600, 2, 1, 1}, 7, at::kByte);
  data.images.select(1, 1).fill_(9);
  data.labels = at::ones({600}, at::kLong);
  const TestResult result =
      TestNetwork(*MakeChannelMeanNetwork({2, 1, 1}), data).value();
  EXPECT_EQ(result.images, 600);
  EXPECT_EQ(result.correct, 600);
}

}  // namespace
}  // namespace adv
