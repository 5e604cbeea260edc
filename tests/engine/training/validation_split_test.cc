#include "engine/training/validation_split.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "engine/training/keyed_random.h"

namespace adv {
namespace {

using ::testing::ElementsAre;

// 40 images of class 0, then 20 of class 1.
at::Tensor Labels() {
  return at::cat({at::zeros({40}, at::kLong), at::ones({20}, at::kLong)});
}

std::vector<int64_t> AllIndices() {
  std::vector<int64_t> indices(60);
  std::iota(indices.begin(), indices.end(), 0);
  return indices;
}

TEST(ValidationSplitTest, IsDisjointCompleteAndStratified) {
  const ValidationSplit split =
      SplitForValidation(Labels(), AllIndices(), 0.1, 1);
  EXPECT_EQ(split.validation.size(), 6u);
  EXPECT_EQ(std::count_if(split.validation.begin(), split.validation.end(),
                          [](int64_t index) { return index < 40; }),
            4);
  std::vector<int64_t> together;
  std::merge(split.training.begin(), split.training.end(),
             split.validation.begin(), split.validation.end(),
             std::back_inserter(together));
  EXPECT_EQ(together, AllIndices());
}

TEST(ValidationSplitTest, DependsOnTheSeedAlone) {
  const auto validation = [](uint64_t seed) {
    return SplitForValidation(Labels(), AllIndices(), 0.1, seed).validation;
  };
  EXPECT_EQ(validation(1), validation(1));
  EXPECT_NE(validation(1), validation(2));
}

TEST(ValidationSplitTest, TakesOnlyKeptImages) {
  const ValidationSplit split =
      SplitForValidation(Labels(), {3, 5, 50, 55}, 0.5, 1);
  EXPECT_EQ(split.validation.size(), 2u);
  EXPECT_EQ(split.training.size(), 2u);
  for (int64_t index : split.validation) {
    EXPECT_TRUE(index == 3 || index == 5 || index == 50 || index == 55);
  }
}

TEST(ValidationSplitTest, FractionZeroTakesNone) {
  EXPECT_TRUE(
      SplitForValidation(Labels(), AllIndices(), 0, 1).validation.empty());
}

// Published runs depend on these numbers.
TEST(KeyedRandomTest, DrawsTheSameOnEveryMachine) {
  std::vector<int64_t> values = {0, 1, 2, 3, 4, 5, 6, 7};
  std::mt19937_64 generator = KeyedGenerator(RandomStream::kShuffle, 1, 0);
  Shuffle(values, generator);
  EXPECT_THAT(values, ElementsAre(3, 0, 4, 1, 6, 7, 2, 5));
}

TEST(KeyedRandomTest, StreamsSeedsAndCountersDiffer) {
  const uint64_t base = KeyedGenerator(RandomStream::kShuffle, 1, 0)();
  EXPECT_NE(base, KeyedGenerator(RandomStream::kFlips, 1, 0)());
  EXPECT_NE(base, KeyedGenerator(RandomStream::kShuffle, 2, 0)());
  EXPECT_NE(base, KeyedGenerator(RandomStream::kShuffle, 1, 1)());
  // The upper halves count too.
  EXPECT_NE(base, KeyedGenerator(RandomStream::kShuffle, 1ull << 32 | 1, 0)());
  EXPECT_NE(base, KeyedGenerator(RandomStream::kShuffle, 1, 1ull << 32)());
}

TEST(KeyedRandomTest, UniformBelowReachesAllAndNoMore) {
  std::mt19937_64 generator = KeyedGenerator(RandomStream::kShuffle, 1, 0);
  std::vector<int> counts(3, 0);
  for (int i = 0; i < 3000; ++i) ++counts.at(UniformBelow(3, generator));
  for (int count : counts) EXPECT_NEAR(count, 1000, 150);
}

}  // namespace
}  // namespace adv
