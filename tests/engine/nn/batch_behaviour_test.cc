#include "engine/nn/batch_behaviour.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "tests/engine/toy_network.h"

namespace adv {
namespace {

// A toy network with something done to its logits.
class Changed final : public Network {
 public:
  explicit Changed(std::function<at::Tensor(const at::Tensor&)> change)
      : Network(OnCpu({3, 2, 2}, 3)), change_(std::move(change)) {}
  absl::StatusOr<at::Tensor> Logits(const at::Tensor& images) const override {
    return change_(*toy_->Logits(images));
  }
  absl::StatusOr<LogitsAndGradient> InputGradient(
      const at::Tensor& images, const LogitGradient& loss) const override {
    LogitsAndGradient found = *toy_->InputGradient(images, loss);
    found.logits = change_(found.logits);
    return found;
  }

 private:
  const std::shared_ptr<const Network> toy_ = MakeChannelMeanNetwork({3, 2, 2});
  const std::function<at::Tensor(const at::Tensor&)> change_;
};

TEST(BatchBehaviourTest, WhatAsksNothingOfOtherImagesIsExact) {
  const BatchBehaviour behaviour = *MeasureBatchBehaviour(
      Changed([](const at::Tensor& logits) { return logits; }));
  EXPECT_EQ(behaviour.between_runs, 0);
  EXPECT_EQ(behaviour.between_batches, 0);
  EXPECT_TRUE(behaviour.exact());
}

TEST(BatchBehaviourTest, AMeanOverTheBatchShowsBetweenBatchesAlone) {
  const BatchBehaviour behaviour = *MeasureBatchBehaviour(Changed(
      [](const at::Tensor& logits) { return logits - logits.mean(0, true); }));
  EXPECT_EQ(behaviour.between_runs, 0);
  EXPECT_GT(behaviour.between_batches, .01);
}

TEST(BatchBehaviourTest, ASlotThatMattersShows) {
  const BatchBehaviour behaviour =
      *MeasureBatchBehaviour(Changed([](const at::Tensor& logits) {
        return logits + at::arange(logits.size(0)).unsqueeze(1);
      }));
  EXPECT_EQ(behaviour.between_runs, 0);
  EXPECT_GT(behaviour.between_batches, .01);
}

TEST(BatchBehaviourTest, StateShowsBetweenRuns) {
  float calls = 0;
  const BatchBehaviour behaviour = *MeasureBatchBehaviour(
      Changed([&calls](const at::Tensor& logits) { return logits + ++calls; }));
  EXPECT_GT(behaviour.between_runs, .01);
  EXPECT_FALSE(behaviour.exact());
}

TEST(BatchBehaviourTest, RoundingIsNoMoreThanRounding) {
  const BatchBehaviour behaviour =
      *MeasureBatchBehaviour(Changed([](const at::Tensor& logits) {
        return logits * (1 + 1e-6F * static_cast<float>(logits.size(0)));
      }));
  EXPECT_GT(behaviour.between_batches, 0);
  EXPECT_LT(behaviour.between_batches, 1e-4);
  EXPECT_FALSE(behaviour.exact());
}

}  // namespace
}  // namespace adv
