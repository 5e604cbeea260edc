#include "engine/training/dropout.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

namespace adv {
namespace {

constexpr int64_t kBatch = 64;

at::Generator Seeded(uint64_t seed) {
  return at::detail::createCPUGenerator(seed);
}

class DropoutTest : public testing::Test {
 protected:
  Dropout dropout_{*VggLayers("table51"), {3, 32, 32}, kBatch, at::kCPU};
};

// Table 5.1: .25 after each block, .5 before the last layer.
TEST_F(DropoutTest, HasTheShapesOfTheLayersInputs) {
  const std::vector<at::Tensor> factors = dropout_.Factors(kBatch);
  ASSERT_EQ(factors.size(), 4u);
  EXPECT_EQ(factors[0].sizes(), at::IntArrayRef({kBatch, 32, 16, 16}));
  EXPECT_EQ(factors[1].sizes(), at::IntArrayRef({kBatch, 64, 8, 8}));
  EXPECT_EQ(factors[2].sizes(), at::IntArrayRef({kBatch, 128, 4, 4}));
  EXPECT_EQ(factors[3].sizes(), at::IntArrayRef({kBatch, 512}));
}

TEST_F(DropoutTest, DropsItsShareAndScalesTheRest) {
  dropout_.Draw(kBatch, Seeded(1));
  const std::vector<at::Tensor> factors = dropout_.Factors(kBatch);
  const std::vector<double> probabilities = {0.25, 0.25, 0.25, 0.5};
  for (size_t i = 0; i < factors.size(); ++i) {
    const double p = probabilities[i];
    const at::Tensor dropped = factors[i].eq(0);
    const at::Tensor kept = factors[i].eq(static_cast<float>(1 / (1 - p)));
    EXPECT_TRUE(dropped.logical_or(kept).all().item<bool>()) << i;
    // Six standard deviations of a binomial share.
    const double deviation =
        std::sqrt(p * (1 - p) / static_cast<double>(factors[i].numel()));
    EXPECT_NEAR(dropped.to(at::kDouble).mean().item<double>(), p, 6 * deviation)
        << i;
  }
}

TEST_F(DropoutTest, TheGeneratorDecidesInTheSameMemory) {
  dropout_.Draw(kBatch, Seeded(1));
  const at::Tensor factors = dropout_.Factors(kBatch)[0];
  const at::Tensor first = factors.clone();
  dropout_.Draw(kBatch, Seeded(2));
  EXPECT_FALSE(factors.equal(first));
  dropout_.Draw(kBatch, Seeded(1));
  EXPECT_TRUE(factors.equal(first));
  EXPECT_EQ(dropout_.Factors(kBatch)[0].data_ptr(), factors.data_ptr());
}

TEST_F(DropoutTest, ASmallerBatchLeavesTheRestAlone) {
  const at::Tensor all = dropout_.Factors(kBatch)[3];
  dropout_.Draw(8, Seeded(1));
  EXPECT_FALSE(all.narrow(0, 0, 8).eq(1).any().item<bool>());
  EXPECT_TRUE(all.narrow(0, 8, kBatch - 8).eq(1).all().item<bool>());
  EXPECT_EQ(dropout_.Factors(8)[3].size(0), 8);
}

}  // namespace
}  // namespace adv
