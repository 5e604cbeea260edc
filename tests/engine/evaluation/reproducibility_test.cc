// An image's record is the same bytes whatever else is computed with it,
// before it or beside it: the whole attack engine on the network that is
// served, through the queue that requests share.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "engine/evaluation/evaluation.h"
#include "engine/nn/batching_network.h"
#include "engine/nn/vgg.h"
#include "tests/engine/attacks/test_networks.h"
#include "tests/engine/evaluation/record_text.h"

namespace adv {
namespace {

constexpr int64_t kImages = 24;

template <typename Config, typename Change>
Config With(Change change) {
  Config config;
  change(config);
  return config;
}

// Whatever draws random numbers or decides image by image, in short.
std::vector<AttackConfig> ShortAttacks() {
  const auto pgd = With<PgdConfig>([](PgdConfig& config) {
    config.steps = 3;
    config.restarts = 2;
  });
  const auto apgd = With<ApgdConfig>([](ApgdConfig& config) {
    config.steps = 4;
    config.loss = ApgdConfig::Loss::kTargetedDlr;
    config.target_classes = 2;
  });
  const auto fab = With<FabConfig>([](FabConfig& config) {
    config.steps = 2;
    config.target_classes = 1;
  });
  const auto square =
      With<SquareConfig>([](SquareConfig& config) { config.queries = 6; });
  const auto hop_skip_jump = With<HopSkipJumpConfig>(
      [](HopSkipJumpConfig& config) { config.queries = 40; });
  AutoAttackConfig ensemble;
  ensemble.members = {{apgd}, {fab}, {square}};
  return {pgd, ensemble, hop_skip_jump, NoiseConfig{}};
}

class ReproducibilityTest : public ::testing::Test {
 protected:
  ReproducibilityTest() {
    at::set_num_threads(1);
    network_ =
        MakeVgg("table51", InitialParameters(VggLayers("table51").value(), 5),
                at::kCPU)
            .value();
    dataset_.name = "noise";
    dataset_.class_names.assign(10, "");
    dataset_.images =
        (Uniform({kImages, 3, 32, 32}, 71) * 255).round().to(at::kByte);
    // Most images are right, so that the attacks have something to do.
    std::vector<int64_t> all(kImages);
    std::iota(all.begin(), all.end(), 0);
    dataset_.labels = network_->Logits(dataset_.Pixels(all)).argmax(1);
    dataset_.labels[3] = (dataset_.labels[3].item<int64_t>() + 1) % 10;
    plan_.attacks = ShortAttacks();
    plan_.epsilons = {0.002, 0.02};
    plan_.success = SuccessRule::kAnyIterate;
    plan_.seed = 9;
    plan_.tile_size = kImages;
    expected_ = Run(*network_, all);
  }

  // The records of the images, as text, by index.
  std::map<int64_t, std::string> Run(const Network& network,
                                     const std::vector<int64_t>& indices) {
    std::map<int64_t, std::string> texts;
    const auto records =
        EvaluateTile(network, network, dataset_, indices, plan_, nullptr);
    EXPECT_TRUE(records.ok()) << records.status();
    if (!records.ok()) return texts;
    for (const SampleRecord& record : *records) {
      texts[record.index] = RecordText(record);
    }
    return texts;
  }

  std::shared_ptr<const Network> network_;
  Dataset dataset_;
  EvaluationPlan plan_;
  std::map<int64_t, std::string> expected_;
};

TEST_F(ReproducibilityTest, OtherSeedsGiveOtherRecords) {
  plan_.seed = 10;
  EXPECT_NE(Run(*network_, {0, 1, 2, 4}),
            (std::map<int64_t, std::string>(expected_.begin(),
                                            std::next(expected_.begin(), 4))));
}

TEST_F(ReproducibilityTest, AnyTileOrderAndShard) {
  for (const int64_t tile_size : {1, 5, 16}) {
    std::vector<int64_t> order(kImages);
    std::iota(order.rbegin(), order.rend(), 0);
    std::rotate(order.begin(), order.begin() + 7, order.end());
    plan_.tile_size = tile_size;
    // One tile of each shard; the rest would show nothing new.
    for (int64_t begin = 0; begin < kImages; begin += 3 * tile_size) {
      const int64_t end = std::min(begin + tile_size, kImages);
      for (const auto& [index, text] :
           Run(*network_, {order.begin() + begin, order.begin() + end})) {
        EXPECT_EQ(text, expected_[index])
            << "image " << index << ", tiles of " << tile_size;
      }
    }
  }
}

// 1 image each, 8 at a time through one queue for 2 passes at once.
TEST_F(ReproducibilityTest, AnyNumberOfRequestsAtOnce) {
  const auto queue = std::make_shared<PassQueue>(2, 16);
  const BatchingNetwork shared(network_, queue);
  plan_.tile_size = 1;
  std::atomic<int64_t> next{0};
  std::vector<std::map<int64_t, std::string>> found(8);
  std::vector<std::thread> threads;
  for (auto& mine : found) {
    threads.emplace_back([&] {
      at::set_num_threads(1);
      for (int64_t i = next++; i < kImages; i = next++) {
        mine.merge(Run(shared, {i}));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::map<int64_t, std::string> all;
  for (auto& mine : found) all.merge(mine);
  EXPECT_EQ(all, expected_);
  // They did share passes.
  EXPECT_LT(queue->stats().passes, queue->stats().asked);
}

TEST_F(ReproducibilityTest, AfterAnInterruption) {
  int64_t passes = 0;
  const auto stop = [&passes] {
    return ++passes < 20 ? absl::OkStatus() : absl::CancelledError("stop");
  };
  std::vector<int64_t> some = {2, 9, 4};
  plan_.tile_size = 3;
  EXPECT_EQ(EvaluateTile(*network_, *network_, dataset_, some, plan_, stop)
                .status()
                .code(),
            absl::StatusCode::kCancelled);
  for (const auto& [index, text] : Run(*network_, some)) {
    EXPECT_EQ(text, expected_[index]) << "image " << index;
  }
}

}  // namespace
}  // namespace adv
