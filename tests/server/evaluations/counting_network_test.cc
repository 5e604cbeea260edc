#include "server/evaluations/counting_network.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>

#include "tests/engine/toy_network.h"

namespace adv {
namespace {

TEST(CountingNetworkTest, AddsUpPassesAndLeavesResultsAlone) {
  const auto network = MakeChannelMeanNetwork({3, 2, 2});
  std::atomic<int64_t> cost{0};
  const CountingNetwork counting(*network, &cost);
  EXPECT_EQ(counting.traits().classes, 3);
  EXPECT_TRUE(counting.traits().exact_in_any_batch);

  const at::Tensor images = at::rand({5, 3, 2, 2});
  const auto logits = counting.Logits(images);
  ASSERT_TRUE(logits.ok());
  EXPECT_TRUE(logits->equal(*network->Logits(images)));
  EXPECT_EQ(cost, 5);

  const at::Tensor classes = at::zeros({5}, at::kLong);
  const auto both = counting.LossGradient(images, classes);
  ASSERT_TRUE(both.ok());
  EXPECT_TRUE(
      both->gradient.equal(network->LossGradient(images, classes)->gradient));
  EXPECT_EQ(cost, 5 + 2 * 5);
}

TEST(CountingNetworkTest, FastPassesCountAsWell) {
  const auto network = MakeChannelMeanNetwork({3, 2, 2});
  std::atomic<int64_t> cost{0};
  EXPECT_EQ(CountingNetwork(*network, &cost).Fast(), nullptr);
  const WithFastPasses both(network, MakeChannelMeanNetwork({3, 2, 2}, 2));
  const CountingNetwork counting(both, &cost);
  ASSERT_NE(counting.Fast(), nullptr);
  const at::Tensor images = at::rand({5, 3, 2, 2});
  EXPECT_TRUE(
      counting.Fast()->Logits(images)->equal(*both.Fast()->Logits(images)));
  EXPECT_EQ(cost, 5);
}

// A network without gradients, whose call fails.
class FailingNetwork final : public Network {
 public:
  FailingNetwork() : Network(OnCpu({3, 2, 2}, 3)) {}
  absl::StatusOr<at::Tensor> Logits(const at::Tensor&) const override {
    return absl::UnavailableError("no answer");
  }
};

TEST(CountingNetworkTest, APassThatFailsIsNoWorkDone) {
  const FailingNetwork network;
  std::atomic<int64_t> cost{0};
  const CountingNetwork counting(network, &cost);
  const at::Tensor images = at::rand({5, 3, 2, 2});
  EXPECT_TRUE(absl::IsUnavailable(counting.Logits(images).status()));
  const at::Tensor classes = at::zeros({5}, at::kLong);
  EXPECT_TRUE(
      absl::IsUnimplemented(counting.LossGradient(images, classes).status()));
  EXPECT_EQ(cost, 0);
}

}  // namespace
}  // namespace adv
