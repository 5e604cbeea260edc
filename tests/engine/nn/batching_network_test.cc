// Passes of many threads, computed together.
#include "engine/nn/batching_network.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
  int64_t num_classes() const override { return toy_->num_classes(); }
  std::vector<int64_t> image_shape() const override { return Shape(); }
  at::Device device() const override { return at::kCPU; }
  bool exact_in_any_batch() const override { return exact; }

  at::Tensor Logits(const at::Tensor& images) const override {
    Enter(images.size(0));
    return toy_->Logits(images);
  }
  LogitsAndGradient InputGradient(const at::Tensor& images,
                                  const LogitGradient& loss) const override {
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

  bool exact = true;  // set it before the first pass

 private:
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
    Start([this] { network_.Logits(Images(1)); });
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

  const std::shared_ptr<GatedNetwork> gated_ = std::make_shared<GatedNetwork>();
  const std::shared_ptr<PassQueue> queue_ = std::make_shared<PassQueue>(1, 10);
  const BatchingNetwork network_{gated_, queue_};
  std::vector<std::thread> threads_;
};

TEST_F(BatchingNetworkTest, WhatWaitsIsComputedTogether) {
  Block();
  const at::Tensor classes = at::tensor({0, 1, 2, 0}, at::kLong);
  at::Tensor three, two;
  LogitsAndGradient four;
  Start([&] { three = network_.Logits(Images(3)); });
  Start([&] { four = network_.LossGradient(Images(4, 5), classes); });
  Start([&] { two = network_.Logits(Images(2, 50)); });
  Finish();
  EXPECT_THAT(gated_->passes(), ElementsAre(1, 5, -4));
  EXPECT_TRUE(three.equal(gated_->toy().Logits(Images(3))));
  EXPECT_TRUE(two.equal(gated_->toy().Logits(Images(2, 50))));
  const LogitsAndGradient alone =
      gated_->toy().LossGradient(Images(4, 5), classes);
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
  Start([&] { up = network_.LossGradient(Images(2), classes); });
  Start([&] { down = network_.InputGradient(Images(2, 9), descend); });
  Finish();
  EXPECT_THAT(gated_->passes(), ElementsAre(1, -4));
  EXPECT_TRUE(up.gradient.equal(
      gated_->toy().LossGradient(Images(2), classes).gradient));
  EXPECT_TRUE(down.gradient.equal(
      gated_->toy().InputGradient(Images(2, 9), descend).gradient));
}

TEST_F(BatchingNetworkTest, APassIsNoLargerThanAllowedUnlessItIsOne) {
  Block();
  Start([&] { network_.Logits(Images(7)); });
  Start([&] { network_.Logits(Images(4)); });   // no room for it
  Start([&] { network_.Logits(Images(3)); });   // but for this
  Start([&] { network_.Logits(Images(11)); });  // alone in any case
  Finish();
  EXPECT_THAT(gated_->passes(), ElementsAre(1, 10, 4, 11));
}

// Where company changes the last bits, on a CPU there is none.
TEST_F(BatchingNetworkTest, WhatIsNotExactIsComputedAlone) {
  gated_->exact = false;
  Block();
  Start([&] { network_.Logits(Images(3)); });
  Start([&] { network_.Logits(Images(2)); });
  Finish();
  EXPECT_THAT(gated_->passes(), ElementsAre(1, 3, 2));
}

TEST_F(BatchingNetworkTest, NetworksAreNotMixed) {
  const BatchingNetwork other(MakeChannelMeanNetwork(Shape(), 2), queue_);
  Block();
  at::Tensor logits;
  Start([&] { network_.Logits(Images(2)); });
  Start([&] { logits = other.Logits(Images(2)); });
  Start([&] { network_.Logits(Images(3)); });
  Finish();
  EXPECT_THAT(gated_->passes(), ElementsAre(1, 5));
  EXPECT_TRUE(
      logits.equal(MakeChannelMeanNetwork(Shape(), 2)->Logits(Images(2))));
}

TEST_F(BatchingNetworkTest, UrgentPassesGoFirst) {
  Block();
  Start([&] { network_.Logits(Images(9)); });
  Start([&] {
    const UrgentPasses urgent(true);
    network_.Logits(Images(2));
  });
  Start([&] {
    { const UrgentPasses urgent(true); }
    network_.Logits(Images(8));
  });
  Finish();
  EXPECT_THAT(gated_->passes(), ElementsAre(1, 10, 9));
}

TEST_F(BatchingNetworkTest, OnesFaultIsNoOthers) {
  Block();
  at::Tensor good;
  bool thrown = false;
  Start([&] { good = network_.Logits(Images(2)); });
  Start([&] {
    try {
      network_.Logits(at::zeros({1, 3, 4, 4}));
    } catch (const c10::Error&) {
      thrown = true;
    }
  });
  Finish();
  EXPECT_TRUE(thrown);
  EXPECT_TRUE(good.equal(gated_->toy().Logits(Images(2))));
}

// The first pass ends only when the second one has begun.
TEST(PassQueueTest, AsManyPassesAtOnceAsAllowed) {
  const auto gated = std::make_shared<GatedNetwork>();
  const auto queue = std::make_shared<PassQueue>(2, 10);
  const BatchingNetwork network(gated, queue);
  std::thread one([&] { network.Logits(Images(1)); });
  gated->AwaitPasses(1);
  std::thread two([&] { network.Logits(Images(2)); });
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
        if (!network.Logits(images).equal(toy->Logits(images))) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(queue->stats().asked, 400);
}

}  // namespace
}  // namespace adv
