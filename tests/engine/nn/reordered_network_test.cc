#include "engine/nn/reordered_network.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/engine/toy_network.h"

namespace adv {
namespace {

// Class k of the toy is the brightness of channel k.
class ReorderedNetworkTest : public ::testing::Test {
 protected:
  const std::shared_ptr<const Network> toy_ =
      MakeChannelMeanNetwork({3, 2, 2}, 4);
  const std::shared_ptr<const Network> network_ = Reordered(toy_, {2, 0, 1});
  const at::Tensor images_ =
      at::arange(24, at::kFloat).div(30).view({2, 3, 2, 2});
};

TEST_F(ReorderedNetworkTest, LogitsAreInTheNewOrder) {
  const at::Tensor before = toy_->Logits(images_).value();
  const at::Tensor after = network_->Logits(images_).value();
  for (const auto& [to, from] : {std::pair(0, 2), {1, 0}, {2, 1}}) {
    EXPECT_TRUE(after.select(1, to).equal(before.select(1, from)));
  }
}

// Away from class 1 is away from the toy's class 0.
TEST_F(ReorderedNetworkTest, GradientsAreThoseOfTheSameClass) {
  const LogitsAndGradient before =
      toy_->LossGradient(images_, at::tensor({0, 2}, at::kLong)).value();
  const LogitsAndGradient after =
      network_->LossGradient(images_, at::tensor({1, 0}, at::kLong)).value();
  EXPECT_TRUE(after.gradient.equal(before.gradient));
  EXPECT_TRUE(after.logits.equal(network_->Logits(images_).value()));
}

TEST_F(ReorderedNetworkTest, OnlyPermutationsAreOrders) {
  EXPECT_THROW(Reordered(toy_, {0, 1}), c10::Error);
  EXPECT_THROW(Reordered(toy_, {0, 1, 1}), c10::Error);
}

}  // namespace
}  // namespace adv
