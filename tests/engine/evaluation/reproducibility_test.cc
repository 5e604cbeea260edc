// An image's record is the same bytes whatever else is computed with it,
// before it or beside it: the whole attack engine on the network that is
// served, through the queue that requests share.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <ostream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "engine/evaluation/evaluation.h"
#include "engine/nn/batching_network.h"
#include "engine/nn/vgg.h"
#include "engine/nn/vgg_network.h"
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

std::shared_ptr<const Network> MakeNetwork(uint64_t seed) {
  return MakeVgg("table51",
                 InitialParameters(VggLayers("table51").value(), seed),
                 at::kCPU)
      .value();
}

// Noise, mostly labelled as `network` sees it, so that the attacks have
// something to do.
Dataset NoiseImages(const Network& network) {
  Dataset dataset;
  dataset.name = "noise";
  dataset.class_names.assign(10, "");
  dataset.images =
      (Uniform({kImages, 3, 32, 32}, 71) * 255).round().to(at::kByte);
  std::vector<int64_t> all(kImages);
  std::iota(all.begin(), all.end(), 0);
  dataset.labels = network.Logits(dataset.Pixels(all)).value().argmax(1);
  dataset.labels[3] = (dataset.labels[3].item<int64_t>() + 1) % 10;
  return dataset;
}

using RecordTexts = std::map<int64_t, std::string>;  // by index

class ReproducibilityTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    at::set_num_threads(1);
    network_ = MakeNetwork(5);
    dataset_ = NoiseImages(*network_);
    std::vector<int64_t> all(kImages);
    std::iota(all.begin(), all.end(), 0);
    expected_ = Run(ShortPlan(), *network_, all);
  }
  static void TearDownTestSuite() {
    network_.reset();
    dataset_ = {};
    expected_.clear();
  }

  static EvaluationPlan ShortPlan() {
    EvaluationPlan plan;
    plan.attacks = ShortAttacks();
    plan.epsilons = {0.002, 0.02};
    plan.success = SuccessRule::kAnyIterate;
    plan.seed = 9;
    plan.tile_size = kImages;
    return plan;
  }

  static RecordTexts Run(const EvaluationPlan& plan, const Network& network,
                         const std::vector<int64_t>& indices) {
    RecordTexts texts;
    const auto records =
        EvaluateTile(network, network, dataset_, indices, plan, nullptr);
    EXPECT_TRUE(records.ok()) << records.status();
    if (!records.ok()) return texts;
    for (const SampleRecord& record : *records) {
      texts[record.index] = RecordText(record);
    }
    return texts;
  }

  RecordTexts Run(const Network& network,
                  const std::vector<int64_t>& indices) const {
    return Run(plan_, network, indices);
  }

  static inline std::shared_ptr<const Network> network_;
  static inline Dataset dataset_;
  static inline RecordTexts expected_;  // of all images by ShortPlan()
  EvaluationPlan plan_ = ShortPlan();
};

TEST_F(ReproducibilityTest, OtherSeedsGiveOtherRecords) {
  plan_.seed = 10;
  EXPECT_NE(Run(*network_, {0, 1, 2, 4}),
            RecordTexts(expected_.begin(), std::next(expected_.begin(), 4)));
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
  std::vector<RecordTexts> found(8);
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
  RecordTexts all;
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

// The ways of attacking that the plan above leaves out, each on few images.
struct Variant {
  std::string name;
  std::vector<AttackConfig> attacks;
  Norm norm = Norm::kLinf;
  double epsilon = 0.02;
  SuccessRule success = SuccessRule::kAnyIterate;
  std::optional<Goal::TargetRule> target = {};
  bool eight_bit = false;
  bool transfer = false;
  int threads = 1;  // of the runs that are compared
};

std::ostream& operator<<(std::ostream& out, const Variant& one) {
  return out << one.name;
}

std::vector<Variant> Variants() {
  const PgdConfig pgd{{}, 2, 2};
  const ApgdConfig apgd{ApgdConfig::Loss::kCrossEntropy, 4};
  const ApgdConfig dlr{ApgdConfig::Loss::kDlr, 4};
  const FabConfig fab{2};
  const SquareConfig square{8};
  const DeepFoolConfig deep_fool{3};
  const CarliniWagnerConfig carlini_wagner{0.01, 2, 1, 4};
  const HopSkipJumpConfig hop_skip_jump{45};
  const BoundaryConfig boundary{45};
  const NoiseConfig gaussian{NoiseConfig::Distribution::kGaussian, 2};
  constexpr auto kLast = SuccessRule::kLastIterate;
  // Beyond all that there is, so that what minimising attacks find counts.
  constexpr double kAll = 50;
  std::vector<Variant> variants = {
      {"l2", {pgd, apgd, square, NoiseConfig{}, gaussian}, Norm::kL2, 0.5},
      {"l2_minimising", {fab, deep_fool, carlini_wagner}, Norm::kL2, kAll},
      {"decisions", {hop_skip_jump, boundary}, Norm::kL2, kAll},
      {"signs", {MiFgsmConfig{}, IterativeLeastLikelyConfig{0.005, 4}, dlr}},
      {"last_iterate", {pgd, square, FgsmConfig{}}, Norm::kLinf, 0.01, kLast}};
  Variant bytes = {"eight_bit", {pgd, apgd, square, deep_fool}};
  bytes.eight_bit = true;
  variants.push_back(bytes);
  Variant next = {"next_class", {pgd, apgd, square}};
  next.target = Goal::TargetRule::kNext;
  variants.push_back(next);
  const CarliniWagnerConfig bold{0.1, 2, 1000, 6};
  Variant random = {"random_class", {pgd, bold}, Norm::kL2, kAll};
  random.target = Goal::TargetRule::kRandom;
  variants.push_back(random);
  Variant transfer = {
      "transfer", {pgd, square, MiFgsmConfig{}}, Norm::kLinf, 0.05, kLast};
  transfer.transfer = true;
  variants.push_back(transfer);
  Variant threads = {"threads", {pgd, apgd, square}};
  threads.threads = 2;
  variants.push_back(threads);
  Variant threads_l2 = {"threads_l2", {pgd, deep_fool}, Norm::kL2, kAll};
  threads_l2.threads = 2;
  variants.push_back(threads_l2);
  return variants;
}

class ReproducibleVariantTest : public ::testing::TestWithParam<Variant> {
 protected:
  static void SetUpTestSuite() {
    at::set_num_threads(1);
    network_ = MakeNetwork(5);
    other_ = MakeNetwork(6);
    dataset_ = NoiseImages(*network_);
  }
  static void TearDownTestSuite() {
    network_.reset();
    other_.reset();
    dataset_ = {};
  }

  ReproducibleVariantTest() {
    const Variant& variant = GetParam();
    plan_.attacks = variant.attacks;
    plan_.norm = variant.norm;
    plan_.epsilons = {variant.epsilon};
    plan_.success = variant.success;
    plan_.eight_bit = variant.eight_bit;
    plan_.seed = 9;
    plan_.tile_size = 6;
    if (variant.target) {
      plan_.goal = {Goal::Kind::kTargeted, *variant.target};
    }
  }

  std::vector<SampleRecord> Run(const std::vector<int64_t>& indices) const {
    auto records =
        EvaluateTile(*network_, GetParam().transfer ? *other_ : *network_,
                     dataset_, indices, plan_, nullptr);
    EXPECT_TRUE(records.ok()) << records.status();
    return records.ok() ? *std::move(records) : std::vector<SampleRecord>();
  }

  static inline std::shared_ptr<const Network> network_, other_;
  static inline Dataset dataset_;
  EvaluationPlan plan_;
};

INSTANTIATE_TEST_SUITE_P(All, ReproducibleVariantTest,
                         ::testing::ValuesIn(Variants()),
                         [](const ::testing::TestParamInfo<Variant>& one) {
                           return one.param.name;
                         });

TEST_P(ReproducibleVariantTest, AnyTileAndOrder) {
  RecordTexts expected;
  std::vector<int64_t> changed(GetParam().attacks.size());
  for (const SampleRecord& record : Run({0, 1, 2, 3, 4, 5})) {
    expected[record.index] = RecordText(record);
    for (size_t i = 0; i < changed.size(); ++i) {
      changed[i] += record.attacks[i].l0 > 0;
    }
  }
  // Every attack did something.
  EXPECT_THAT(changed, ::testing::Each(::testing::Ge(3)));
  at::set_num_threads(GetParam().threads);
  for (const std::vector<int64_t>& tile :
       {std::vector<int64_t>{4}, {5, 0, 3}, {1}}) {
    for (const SampleRecord& record : Run(tile)) {
      EXPECT_EQ(RecordText(record), expected[record.index])
          << "image " << record.index << " in a tile of " << tile.size();
    }
  }
  at::set_num_threads(1);
}

}  // namespace
}  // namespace adv
