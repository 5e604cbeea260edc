#include "engine/data/dataset.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <vector>

namespace adv {
namespace {

using ::testing::ElementsAre;

// Labels of the given counts, interleaved so that no class is in one piece.
at::Tensor LabelsOf(const std::vector<int64_t>& counts) {
  std::vector<int64_t> labels;
  std::vector<int64_t> left = counts;
  while (*std::max_element(left.begin(), left.end()) > 0) {
    for (size_t label = 0; label < left.size(); ++label) {
      if (left[label]-- > 0) labels.push_back(static_cast<int64_t>(label));
    }
  }
  return at::tensor(labels, at::kLong);
}

std::map<int64_t, int64_t> CountByLabel(const at::Tensor& labels,
                                        const std::vector<int64_t>& indices) {
  std::map<int64_t, int64_t> counts;
  for (const int64_t i : indices) ++counts[labels[i].item<int64_t>()];
  return counts;
}

TEST(DatasetTest, PixelsAreTheBytesOver255ToTheBit) {
  Dataset dataset;
  dataset.images = at::arange(256, at::kByte).view({64, 1, 2, 2});
  std::vector<int64_t> all(64);
  for (int64_t i = 0; i < 64; ++i) all[i] = i;
  const at::Tensor pixels = dataset.Pixels(all);
  EXPECT_EQ(pixels.scalar_type(), at::kFloat);
  const float* value = pixels.data_ptr<float>();
  for (int byte = 0; byte < 256; ++byte) {
    EXPECT_EQ(value[byte], static_cast<float>(byte) / 255.0f) << byte;
  }
}

TEST(DatasetTest, SelectsInTheOrderAsked) {
  Dataset dataset;
  dataset.images = at::tensor({0, 255, 51}, at::kByte).view({3, 1, 1, 1});
  dataset.labels = at::tensor({4, 5, 6}, at::kLong);
  EXPECT_EQ(dataset.size(), 3);
  EXPECT_TRUE(at::equal(dataset.Pixels({2, 0, 2}).flatten(),
                        at::tensor({0.2f, 0.0f, 0.2f})));
  EXPECT_TRUE(at::equal(dataset.Labels({1, 0}), at::tensor({5, 4}, at::kLong)));
  EXPECT_THROW(dataset.Pixels({3}), c10::Error);
}

TEST(DatasetTest, FirstOfEachClass) {
  const at::Tensor labels = at::tensor({2, 0, 2, 2, 0, 1}, at::kLong);
  EXPECT_EQ(FirstOfEachClass(labels, 2), (std::vector<int64_t>{0, 1, 2, 4, 5}));
  EXPECT_EQ(FirstOfEachClass(labels, 1), (std::vector<int64_t>{0, 1, 5}));
  EXPECT_EQ(FirstOfEachClass(labels, 9).size(), 6);
}

TEST(DatasetTest, ClassesComeInAnotherOrder) {
  Dataset dataset;
  dataset.class_names = {"red", "green", "blue"};
  dataset.labels = at::tensor({0, 1, 2, 0}, at::kLong);
  const Dataset ordered =
      InClassOrder(dataset, {2, 0, 1}, {"blue", "red", "green"});
  for (int64_t i = 0; i < 4; ++i) {
    EXPECT_EQ(ordered.class_names[ordered.labels[i].item<int64_t>()],
              dataset.class_names[dataset.labels[i].item<int64_t>()]);
  }
}

TEST(DatasetTest, AnEmptyOneHasSizeZero) { EXPECT_EQ(Dataset().size(), 0); }

TEST(DatasetTest, DigestSeesLabelsPixelsAndOrder) {
  const at::Tensor images = at::arange(24, at::kByte).view({2, 3, 2, 2});
  const at::Tensor labels = at::tensor({0, 1}, at::kLong);
  const std::string digest = DigestRecords(images, labels);
  EXPECT_EQ(digest.size(), 64u);
  EXPECT_NE(DigestRecords(images, at::tensor({0, 2}, at::kLong)), digest);
  EXPECT_NE(DigestRecords(images.flip(0), labels), digest);
  EXPECT_NE(DigestRecords(images.flip(3), labels), digest);
  EXPECT_EQ(
      DigestRecords(images.contiguous(at::MemoryFormat::ChannelsLast), labels),
      digest);
}

TEST(SampleIndicesTest, AllInOrderIfCountIsZeroOrTooLarge) {
  const at::Tensor labels = LabelsOf({2, 2});
  for (const int64_t count : {0, 4, 5}) {
    EXPECT_THAT(SampleIndices(labels, count, 1), ElementsAre(0, 1, 2, 3));
  }
}

TEST(SampleIndicesTest, RisingDistinctAndBalancedAsFarAsClassesReach) {
  const std::vector<int64_t> sizes = {500, 500, 100, 7};
  const at::Tensor labels = LabelsOf(sizes);
  for (const int64_t count : {1, 3, 10, 333, 1000, 1106}) {
    const std::vector<int64_t> sample = SampleIndices(labels, count, 5);
    ASSERT_EQ(static_cast<int64_t>(sample.size()), count);
    EXPECT_TRUE(std::is_sorted(sample.begin(), sample.end()));
    EXPECT_EQ(std::set<int64_t>(sample.begin(), sample.end()).size(),
              sample.size());
    std::map<int64_t, int64_t> counts = CountByLabel(labels, sample);
    for (size_t label = 0; label < sizes.size(); ++label) {
      if (counts[label] == sizes[label]) continue;  // it has no more
      for (const auto& [other, others] : counts) {
        EXPECT_LE(others, counts[label] + 1)
            << count << " images, classes " << label << " and " << other;
      }
    }
  }
}

TEST(SampleIndicesTest, ASmallClassGivesAllThatItHas) {
  const at::Tensor labels = LabelsOf({50, 2});
  auto counts = CountByLabel(labels, SampleIndices(labels, 10, 0));
  EXPECT_EQ(counts[0], 8);
  EXPECT_EQ(counts[1], 2);
}

TEST(SampleIndicesTest, EqualClassesGetEqualParts) {
  const at::Tensor labels = LabelsOf({100, 100, 100, 100});
  for (const auto& [label, count] :
       CountByLabel(labels, SampleIndices(labels, 40, 1))) {
    EXPECT_EQ(count, 10) << label;
  }
}

// The numbers are part of the contract: a report names its seed, and another
// machine must choose the same images.
TEST(SampleIndicesTest, TheSeedAloneDecides) {
  const at::Tensor labels = LabelsOf({20, 20});
  EXPECT_THAT(SampleIndices(labels, 6, 7), ElementsAre(13, 16, 17, 22, 30, 37));
  EXPECT_NE(SampleIndices(labels, 6, 7), SampleIndices(labels, 6, 8));
}

TEST(SampleIndicesTest, EachImageIsAsLikely) {
  const at::Tensor labels = LabelsOf({5, 5});
  std::map<int64_t, int> chosen;
  constexpr int kSeeds = 2000;
  for (int seed = 0; seed < kSeeds; ++seed) {
    for (const int64_t i : SampleIndices(labels, 4, seed)) ++chosen[i];
  }
  // 800 expected, standard deviation 22.
  for (int64_t i = 0; i < 10; ++i) EXPECT_NEAR(chosen[i], 800, 110) << i;
}

}  // namespace
}  // namespace adv
