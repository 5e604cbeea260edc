#ifndef ADV_TESTS_ENGINE_TRAINING_TINY_TRAINING_H_
#define ADV_TESTS_ENGINE_TRAINING_TINY_TRAINING_H_

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "engine/training/trainer.h"

// Training that takes milliseconds.
namespace adv {

inline constexpr int64_t kImages = 60;

// conv(3 -> 4), ReLU, pooling, dropout, dense(-> 10) on 8x8 images.
inline std::vector<Layer> TinyLayers(double dropout) {
  Layer conv{LayerKind::kConv, "conv"};
  conv.in = 3;
  conv.out = 4;
  Layer drop{LayerKind::kDropout, ""};
  drop.dropout = dropout;
  Layer dense{LayerKind::kDense, "dense"};
  dense.in = 4 * 4 * 4;
  dense.out = 10;
  return {conv, {LayerKind::kRelu, ""},    {LayerKind::kMaxPool, ""},
          drop, {LayerKind::kFlatten, ""}, dense};
}

// Class k is bright in its own rows, so that there is something to learn.
inline Dataset TinyDataset() {
  Dataset data;
  data.name = "tiny";
  for (int i = 0; i < 10; ++i) data.class_names.push_back(std::to_string(i));
  data.labels = at::arange(kImages, at::kLong).remainder(10);
  at::Tensor noise = at::arange(kImages * 3 * 8 * 8, at::kLong)
                         .mul(2654435761)
                         .bitwise_right_shift(24)
                         .remainder(64)
                         .view({kImages, 3, 8, 8});
  for (int64_t i = 0; i < kImages; ++i) {
    const int64_t label = i % 10;
    noise[i][label % 3][label % 8] += 150;
  }
  data.images = noise.to(at::kByte);
  data.digest = DigestRecords(data.images, data.labels);
  return data;
}

inline std::vector<int64_t> AllImages() {
  std::vector<int64_t> indices(kImages);
  std::iota(indices.begin(), indices.end(), 0);
  return indices;
}

inline TrainingSettings TinySettings() {
  TrainingSettings settings;
  settings.batch_size = 2;  // of 50 images: reports after 10, 20, 25 steps
  settings.max_epochs = 3;
  settings.learning_rate = 0.003;
  settings.patience = 0;
  settings.validation_fraction = 0.17;  // one of each class
  settings.horizontal_flips = true;
  return settings;
}

inline std::shared_ptr<const TrainingData> Upload(const Dataset& data) {
  return TrainingData::Upload(data, at::kCPU);
}

class TrainerTest : public testing::Test {
 protected:
  TrainerTest() { at::set_num_threads(1); }

  std::unique_ptr<Trainer> Make(const TrainingSettings& settings,
                                double dropout = 0.25) {
    auto trainer = Trainer::Create(TinyLayers(dropout), Upload(data_),
                                   AllImages(), settings);
    EXPECT_TRUE(trainer.ok()) << trainer.status();
    return *std::move(trainer);
  }

  const Dataset data_ = TinyDataset();
};

inline void RunToTheEnd(Trainer* trainer) {
  while (!trainer->finished()) {
    const auto record = trainer->RunEpoch(nullptr);
    ASSERT_TRUE(record.ok()) << record.status();
  }
}

inline void ExpectSame(const Trainer& a, const Trainer& b) {
  const StateDict expected = a.BestParameters();
  const StateDict actual = b.BestParameters();
  ASSERT_EQ(expected.size(), actual.size());
  for (const auto& [name, value] : expected) {
    EXPECT_TRUE(actual.at(name).equal(value)) << name;
  }
  ASSERT_EQ(a.epochs().size(), b.epochs().size());
  for (size_t i = 0; i < a.epochs().size(); ++i) {
    EXPECT_EQ(a.epochs()[i].training_loss, b.epochs()[i].training_loss);
    EXPECT_EQ(a.epochs()[i].training_accuracy, b.epochs()[i].training_accuracy);
    EXPECT_EQ(a.epochs()[i].validation_loss, b.epochs()[i].validation_loss);
  }
}

}  // namespace adv

#endif  // ADV_TESTS_ENGINE_TRAINING_TINY_TRAINING_H_
