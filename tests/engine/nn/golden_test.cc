#include "engine/nn/golden.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace adv {
namespace {

// From the formula, by hand.
TEST(GoldenInputsTest, FollowsTheFormulaOfTheManifest) {
  const at::Tensor images = GoldenInputs(421, {3, 32, 32});
  ASSERT_EQ(images.sizes(), (at::IntArrayRef{421, 3, 32, 32}));
  // 12345, 2654448106 and 5308883867 mod 2^32 = 1013916571, shifted by 24
  EXPECT_EQ(images[0][0][0][0].item<float>(), 0.0f);
  EXPECT_EQ(images[0][0][0][1].item<float>(), 158 / 255.0f);
  EXPECT_EQ(images[0][0][0][2].item<float>(), 60 / 255.0f);
  // 420 * 40503 + 12345 = 17023605
  EXPECT_EQ(images[420][0][0][0].item<float>(), 1 / 255.0f);
}

TEST(GoldenInputsTest, StaysInTheBoxAndVaries) {
  const at::Tensor images = GoldenInputs(4, {3, 32, 32});
  EXPECT_GE(images.min().item<float>(), 0.0f);
  EXPECT_LE(images.max().item<float>(), 1.0f);
  EXPECT_GT(images.std().item<float>(), 0.2f);
  EXPECT_FALSE(images[0].equal(images[3]));
}

}  // namespace
}  // namespace adv
