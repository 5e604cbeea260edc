#include "engine/data/imbalance.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "engine/data/cifar10.h"

namespace adv {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Kind = ImbalanceRecipe::Kind;

const std::vector<std::string>& Classes() { return Cifar10ClassNames(); }

ImbalanceRecipe Recipe(const std::string& name, uint64_t seed = 1) {
  return ParseImbalanceRecipe(name, Classes(), seed).value();
}

// As CIFAR-10's training set: 5,000 of each class, mixed.
at::Tensor TrainingLabels(int64_t per_class = 5000) {
  return at::arange(10, at::kLong).repeat({per_class});
}

std::vector<int64_t> CountsOf(const at::Tensor& labels,
                              const std::vector<int64_t>& kept) {
  std::vector<int64_t> counts(10);
  const int64_t* label = labels.data_ptr<int64_t>();
  for (const int64_t i : kept) ++counts[label[i]];
  return counts;
}

TEST(ImbalanceTest, NamesInOrder) {
  EXPECT_THAT(
      ImbalanceRecipeNames({"cat", "dog"}),
      ElementsAre("balanced", "no-cat", "no-dog", "only-cat", "only-dog"));
  EXPECT_EQ(ImbalanceRecipeNames(Classes()).size(), 21u);
}

TEST(ImbalanceTest, ParsesEachName) {
  EXPECT_EQ(Recipe("balanced").kind, Kind::kBalanced);
  EXPECT_EQ(Recipe("balanced").label, -1);
  const ImbalanceRecipe recipe = Recipe("only-frog", 42);
  EXPECT_EQ(recipe.kind, Kind::kOnly);
  EXPECT_EQ(recipe.label, 6);
  EXPECT_EQ(recipe.name, "only-frog");
  EXPECT_EQ(recipe.seed, 42u);
  for (const std::string& name : ImbalanceRecipeNames(Classes())) {
    EXPECT_EQ(Recipe(name).name, name);
  }
}

TEST(ImbalanceTest, UnknownNameListsTheKnown) {
  for (const char* name : {"", "cat", "no-unicorn", "No-cat"}) {
    const absl::Status status =
        ParseImbalanceRecipe(name, Classes(), 1).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()),
                HasSubstr("imbalance recipe \"" + std::string(name) +
                          "\" is not known: must be one of balanced, "
                          "no-airplane, "));
  }
}

TEST(ImbalanceTest, BalancedKeepsAll) {
  const at::Tensor labels = TrainingLabels(3);
  const auto kept = ApplyImbalance(labels, Recipe("balanced"));
  ASSERT_TRUE(kept.ok());
  EXPECT_EQ(kept->size(), 30u);
  EXPECT_EQ(kept->front(), 0);
  EXPECT_EQ(kept->back(), 29);
}

TEST(ImbalanceTest, NoCutsItsClassAlone) {
  const at::Tensor labels = TrainingLabels();
  const auto kept = ApplyImbalance(labels, Recipe("no-cat"));
  ASSERT_TRUE(kept.ok());
  EXPECT_TRUE(std::is_sorted(kept->begin(), kept->end()));
  EXPECT_THAT(
      CountsOf(labels, *kept),
      ElementsAre(5000, 5000, 5000, 1000, 5000, 5000, 5000, 5000, 5000, 5000));
  EXPECT_EQ(std::adjacent_find(kept->begin(), kept->end()), kept->end());
}

TEST(ImbalanceTest, OnlyCutsAllOthers) {
  const at::Tensor labels = TrainingLabels();
  const auto kept = ApplyImbalance(labels, Recipe("only-truck"));
  ASSERT_TRUE(kept.ok());
  EXPECT_THAT(
      CountsOf(labels, *kept),
      ElementsAre(1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 5000));
}

// Pinned, since the manifest of a trained model names the seed alone.
TEST(ImbalanceTest, TheSeedAloneDecides) {
  const at::Tensor labels = TrainingLabels();
  const auto kept = ApplyImbalance(labels, Recipe("no-cat", 7)).value();
  std::vector<int64_t> cats;
  for (const int64_t i : kept) {
    if (i % 10 == 3 && cats.size() < 5) cats.push_back(i);
  }
  EXPECT_THAT(cats, ElementsAre(13, 23, 33, 53, 123));
  EXPECT_EQ(kept, ApplyImbalance(labels, Recipe("no-cat", 7)).value());
  EXPECT_NE(kept, ApplyImbalance(labels, Recipe("no-cat", 8)).value());
}

TEST(ImbalanceTest, ACutClassMustBeLargeEnough) {
  const at::Tensor labels = TrainingLabels(999);
  const absl::Status status = ApplyImbalance(labels, Recipe("no-cat")).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(
      std::string(status.message()),
      HasSubstr("no-cat keeps 1000 images of class 3, which has only 999"));
  EXPECT_FALSE(ApplyImbalance(labels, Recipe("only-cat")).ok());
  EXPECT_FALSE(
      ApplyImbalance(at::zeros({5000}, at::kLong), Recipe("no-cat")).ok());
  EXPECT_EQ(ApplyImbalance(TrainingLabels(1000), Recipe("no-cat"))->size(),
            10000u);
}

}  // namespace
}  // namespace adv
