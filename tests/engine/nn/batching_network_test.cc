// Passes of many threads, computed together.
#include "engine/nn/batching_network.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "engine/nn/loss.h"
#include "tests/engine/toy_network.h"

namespace adv {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

const std::vector<int64_t>& Shape() {
  static const auto* const shape = new std::vector<int64_t>{3, 2, 2};
  return *shape;
}

at::Tensor Images(int64_t count, float first = 0) {
  return at::arange(count * 12, at::kFloat)
      .add_(first)
      .div_(100)
      .view({count, 3, 2, 2});
}

// A toy network that notes what it computes, and whose first pass waits for
// Open.
class GatedNetwork final : public Network {
 public:
  explicit GatedNetwork(bool exact = true) : Network(Traits(exact)) {}

  absl::StatusOr<at::Tensor> Logits(const at::Tensor& images) const override {
    Enter(images.size(0));
    return toy_->Logits(images);
  }
  absl::StatusOr<LogitsAndGradient> InputGradient(
      const at::Tensor& images, const LogitGradient& loss) const override {
    Enter(-images.size(0));
    return toy_->InputGradient(images, loss);
  }

  void AwaitPasses(size_t count) const {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return passes_.size() >= count; });
  }
  void Open() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  // Rows of each pass in order; those with a gradient negative.
  std::vector<int64_t> passes() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return passes_;
  }
  const Network& toy() const { return *toy_; }

 private:
  static NetworkTraits Traits(bool exact) {
    NetworkTraits traits = OnCpu(Shape(), 3);
    traits.exact_in_any_batch = exact;
    return traits;
  }
  void Enter(int64_t rows) const {
    std::unique_lock<std::mutex> lock(mutex_);
    passes_.push_back(rows);
    changed_.notify_all();
    changed_.wait(lock, [&] { return open_; });
  }

  const std::shared_ptr<const Network> toy_ = MakeChannelMeanNetwork(Shape());
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  mutable bool open_ = false;
  mutable std::vector<int64_t> passes_;
};

class BatchingNetworkTest : public ::testing::Test {
 protected:
  ~BatchingNetworkTest() override {
    gated_->Open();
    for (std::thread& thread : threads_) thread.join();
  }

  // Occupies the only place there is, until Open.
  void Block() {
    Start([this] { network_.Logits(Images(1)).value(); });
    gated_->AwaitPasses(1);
  }
  // Runs `call`, and returns once its pass waits.
  void Start(std::function<void()> call) {
    const int64_t asked = queue_->stats().asked;
    threads_.emplace_back(std::move(call));
    while (queue_->stats().asked == asked) std::this_thread::yield();
  }
  void Finish() {
    gated_->Open();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

  explicit BatchingNetworkTest(bool exact = true, bool pads = false)
      : gated_(std::make_shared<GatedNetwork>(exact)),
        queue_(std::make_shared<PassQueue>(1, 10, pads)),
        network_(gated_, queue_),
        urgent_(gated_, queue_, Urgency::kUrgent) {}

  const std::shared_ptr<GatedNetwork> gated_;
  const std::shared_ptr<PassQueue> queue_;
  const BatchingNetwork network_, urgent_;
  std::vector<std::thread> threads_;
};

// Where company changes the last bits.
class InexactNetworkTest : public BatchingNetworkTest {
 protected:
  InexactNetworkTest() : BatchingNetworkTest(/*exact=*/false) {}
};

class PaddingQueueTest : public BatchingNetworkTest {
 protected:
  PaddingQueueTest() : BatchingNetworkTest(/*exact=*/false, /*pads=*/true) {}
};

TEST_F(BatchingNetworkTest, WhatWaitsIsComputedTogether) {
  Block();
  const at::Tensor classes = at::tensor({0, 1, 2, 0}, at::kLong);
  at::Tensor three, two;
  LogitsAndGradient four;
  Start([&] { three = network_.Logits(Images(3)).value(); });
  Start([&] { four = network_.LossGradient(Images(4, 5), classes).value(); });
  Start([&] { two = network_.Logits(Images(2, 50)).value(); });
  Finish();
  EXPECT_THAT(gated_->passes(), ElementsAre(1, 5, -4));
  EXPECT_TRUE(three.equal(gated_->toy().Logits(Images(3)).value()));
  EXPECT_TRUE(two.equal(gated_->toy().Logits(Images(2, 50)).value()));
  const LogitsAndGradient alone =
      gated_->toy().LossGradient(Images(4, 5), classes).value();
  EXPECT_TRUE(four.logits.equal(alone.logits));
  EXPECT_TRUE(four.gradient.equal(alone.gradient));
  EXPECT_EQ(queue_->stats().asked, 4);
  EXPECT_EQ(queue_->stats().passes, 3);
  EXPECT_EQ(queue_->stats().rows, 10);
}

// Each with a loss of its own: one climbs, the other descends.
TEST_F(BatchingNetworkTest, GradientsOfDifferentLossesShareAPass) {
  Block();
  const at::Tensor classes = at::tensor({0, 1}, at::kLong);
  LogitsAndGradient up, down;
  const auto descend = [&](const at::Tensor& logits) {
    return AttackLossGradient(logits, classes).neg();
  };
  Start([&] { up = network_.LossGradient(Images(2), classes).value(); });
  Start([&] { down = network_.InputGradient(Images(2, 9), descend).value(); });
  Finish();
  EXPECT_THAT(gated_->passes(), ElementsAre(1, -4));
  EXPECT_TRUE(up.gradient.equal(
      gated_->toy().LossGradient(Images(2), classes).value().gradient));
  EXPECT_TRUE(down.gradient.equal(
      gated_->toy().InputGradient(Images(2, 9), descend).value().gradient));
}

TEST_F(BatchingNetworkTest, PassesAreCutToOneSize) {
  Block();
  at::Tensor seven, four;
  LogitsAndGradient many;
  const at::Tensor classes = at::arange(25, at::kLong).remainder(3);
  const at::Tensor images =
      Images(25, 7).contiguous(at::MemoryFormat::ChannelsLast);
  Start([&] { seven = network_.Logits(Images(7)).value(); });
  Start([&] { many = network_.LossGradient(images, classes).value(); });
  Start([&] { four = network_.Logits(Images(4, 3)).value(); });
  Finish();
  EXPECT_THAT(gated_->passes(), ElementsAre(1, 10, -10, -10, -5, 1));
  EXPECT_TRUE(seven.equal(gated_->toy().Logits(Images(7)).value()));
  EXPECT_TRUE(four.equal(gated_->toy().Logits(Images(4, 3)).value()));
  const LogitsAndGradient alone =
      gated_->toy().LossGradient(images, classes).value();
  EXPECT_TRUE(many.logits.equal(alone.logits));
  EXPECT_TRUE(many.gradient.equal(alone.gradient));
  EXPECT_TRUE(many.gradient.is_contiguous(at::MemoryFormat::ChannelsLast));
}

// What waits in the middle of a large pass does not wait for its end.
TEST_F(BatchingNetworkTest, UrgentPassesGoBetweenThePiecesOfAnother) {
  Start([this] { network_.Logits(Images(30)).value(); });
  gated_->AwaitPasses(1);
  Start([this] {
    urgent_.LossGradient(Images(2), at::zeros({2}, at::kLong)).value();
  });
  Finish();
  EXPECT_THAT(gated_->passes(), ElementsAre(10, -2, 10, 10));
}

TEST_F(BatchingNetworkTest, APatientPassHasItsTurnAfterABurstOfUrgentOnes) {
  Block();
  Start([this] { network_.Logits(Images(20)).value(); });
  for (int i = 0; i < 2 * PassQueue::kBurst; ++i) {
    Start([this] {
      urgent_.LossGradient(Images(9), at::zeros({9}, at::kLong)).value();
    });
  }
  Finish();
  // The nines are cut, too, so that they fill passes.
  std::vector<int64_t> passes = gated_->passes();
  const auto urgent_before = [&](size_t place) {
    return std::count(passes.begin(), passes.begin() + place, -10);
  };
  std::vector<int64_t> turns;
  for (size_t i = 1; i < passes.size(); ++i) {
    if (passes[i] == 10) turns.push_back(urgent_before(i));
  }
  EXPECT_THAT(turns, ElementsAre(PassQueue::kBurst, 14));
}

TEST_F(InexactNetworkTest, LargePassesAreNotCut) {
  Block();
  Start([&] { network_.Logits(Images(25)).value(); });
  Finish();
  EXPECT_THAT(gated_->passes(), ElementsAre(1, 25));
}

TEST_F(PaddingQueueTest, PassesThatAreNotExactHaveOneSize) {
  Block();
  at::Tensor three;
  LogitsAndGradient four;
  Start([&] { three = network_.Logits(Images(3)).value(); });
  Start([&] {
    four = network_.LossGradient(Images(4), at::zeros({4}, at::kLong)).value();
  });
  Finish();
  EXPECT_THAT(gated_->passes(), ElementsAre(10, 10, -10));
  EXPECT_TRUE(three.equal(gated_->toy().Logits(Images(3)).value()));
  EXPECT_EQ(four.gradient.size(0), 4);
}

TEST_F(InexactNetworkTest, PassesAreComputedAlone) {
  Block();
  Start([&] { network_.Logits(Images(3)).value(); });
  Start([&] { network_.Logits(Images(2)).value(); });
  Finish();
  EXPECT_THAT(gated_->passes(), ElementsAre(1, 3, 2));
}

TEST_F(BatchingNetworkTest, NetworksAreNotMixed) {
  const BatchingNetwork other(MakeChannelMeanNetwork(Shape(), 2), queue_);
  Block();
  at::Tensor logits;
  Start([&] { network_.Logits(Images(2)).value(); });
  Start([&] { logits = other.Logits(Images(2)).value(); });
  Start([&] { network_.Logits(Images(3)).value(); });
  Finish();
  EXPECT_THAT(gated_->passes(), ElementsAre(1, 5));
  EXPECT_TRUE(logits.equal(
      MakeChannelMeanNetwork(Shape(), 2)->Logits(Images(2)).value()));
}

TEST_F(BatchingNetworkTest, UrgentPassesGoFirst) {
  Block();
  Start([&] { network_.Logits(Images(9)).value(); });
  Start([&] { urgent_.Logits(Images(2)).value(); });
  Start([&] { network_.Logits(Images(8)).value(); });
  Start([&] { urgent_.Logits(Images(3)).value(); });
  Finish();
  // Patient ones fill the room beside the urgent two and three.
  EXPECT_THAT(gated_->passes(), ElementsAre(1, 10, 10, 2));
}

TEST_F(BatchingNetworkTest, OnesFaultIsNoOthers) {
  Block();
  at::Tensor good;
  bool thrown = false;
  Start([&] { good = network_.Logits(Images(2)).value(); });
  Start([&] {
    try {
      network_.Logits(at::zeros({1, 3, 4, 4})).value();
    } catch (const c10::Error&) {
      thrown = true;
    }
  });
  Finish();
  EXPECT_TRUE(thrown);
  EXPECT_TRUE(good.equal(gated_->toy().Logits(Images(2)).value()));
}

class FailingNetwork final : public Network {
 public:
  FailingNetwork() : Network(OnCpu(Shape(), 3)) {}
  absl::StatusOr<at::Tensor> Logits(const at::Tensor&) const override {
    return absl::UnavailableError("gone");
  }
};

TEST(PassQueueTest, StatusesComeBack) {
  const BatchingNetwork network(std::make_shared<FailingNetwork>(),
                                std::make_shared<PassQueue>(1, 10));
  EXPECT_EQ(network.Logits(Images(2)).status().message(), "gone");
  EXPECT_EQ(network.LossGradient(Images(1), at::zeros({1}, at::kLong))
                .status()
                .code(),
            absl::StatusCode::kUnimplemented);
}

// The first pass ends only when the second one has begun.
TEST(PassQueueTest, AsManyPassesAtOnceAsAllowed) {
  const auto gated = std::make_shared<GatedNetwork>();
  const auto queue = std::make_shared<PassQueue>(2, 10);
  const BatchingNetwork network(gated, queue);
  std::thread one([&] { network.Logits(Images(1)).value(); });
  gated->AwaitPasses(1);
  std::thread two([&] { network.Logits(Images(2)).value(); });
  gated->AwaitPasses(2);
  gated->Open();
  one.join();
  two.join();
  EXPECT_THAT(gated->passes(), UnorderedElementsAre(1, 2));
}

TEST(PassQueueTest, ManyThreadsGetTheirOwnResults) {
  const std::shared_ptr<const Network> toy = MakeChannelMeanNetwork(Shape());
  const auto queue = std::make_shared<PassQueue>(2, 16);
  const BatchingNetwork network(toy, queue);
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        const at::Tensor images =
            Images(1 + (t + i) % 7, static_cast<float>(t * 100 + i));
        if (!network.Logits(images).value().equal(toy->Logits(images).value()))
          ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(queue->stats().asked, 400);
}

TEST_F(BatchingNetworkTest, FastPassesGoThroughTheQueue) {
  const std::shared_ptr<const Network> toy = MakeChannelMeanNetwork(Shape());
  const auto queue = std::make_shared<PassQueue>(1, 16);
  EXPECT_EQ(BatchingNetwork(toy, queue).Fast(), nullptr);
  const auto fast = MakeChannelMeanNetwork(Shape(), 2);
  const BatchingNetwork network(std::make_shared<WithFastPasses>(toy, fast),
                                queue);
  ASSERT_NE(network.Fast(), nullptr);
  EXPECT_TRUE(network.Fast()->Logits(Images(3)).value().equal(
      fast->Logits(Images(3)).value()));
  EXPECT_EQ(queue->stats().asked, 1);
}

}  // namespace
}  // namespace adv
