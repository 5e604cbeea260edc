#include "server/evaluations/crafted_tiles.h"

#include <ATen/ATen.h>
#include <absl/status/status.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace adv {
namespace {

class CraftedTilesTest : public ::testing::Test {
 protected:
  static constexpr int64_t kBytes = 4 * 12;  // of the images of one tile

  CraftedTilesTest() {
    evaluation_.resolved.mutable_spec()->set_model("target");
    evaluation_.resolved.mutable_spec()->set_source_model("source");
    evaluation_.resolved.mutable_source_model()->set_digest("abc");
    evaluation_.resolved.mutable_model()->set_digest("one");
    SetClasses({"cat", "dog"});
  }

  void SetClasses(const std::vector<std::string>& names) {
    Dataset dataset;
    dataset.class_names = names;
    evaluation_.dataset = std::make_shared<const Dataset>(std::move(dataset));
  }

  // Asks for a tile; what is crafted is told from what was before by a number.
  float Ask(const TileIndices& tile, const std::string& key = "0") {
    const CraftOnce craft_once = tiles_.ForTile(evaluation_, tile);
    const absl::StatusOr<Crafted> crafted = craft_once(key, [this] {
      AttackResult result;
      result.images = at::full({1, 3, 2, 2}, ++crafted_, at::kFloat);
      return absl::StatusOr<Crafted>(Crafted{result});
    });
    return crafted->front().images[0][0][0][0].item<float>();
  }

  ResolvedEvaluation evaluation_;
  CraftedTiles tiles_{2 * kBytes};
  int crafted_ = 0;
};

TEST_F(CraftedTilesTest, AnotherTargetIsShownWhatWasCrafted) {
  EXPECT_EQ(Ask({1, 2}), 1);
  evaluation_.resolved.mutable_spec()->set_model("other");
  evaluation_.resolved.mutable_model()->set_digest("two");
  EXPECT_EQ(Ask({1, 2}), 1);
  // Another name of the same weights.
  evaluation_.resolved.mutable_spec()->set_source_model("source@1");
  EXPECT_EQ(Ask({1, 2}), 1);
}

TEST_F(CraftedTilesTest, WhatElseDiffersIsCraftedAnew) {
  EXPECT_EQ(Ask({1, 2}), 1);
  EXPECT_EQ(Ask({1, 3}), 2);
  EXPECT_EQ(Ask({1, 2}, "1"), 3);
  SetClasses({"dog", "cat"});
  EXPECT_EQ(Ask({1, 2}), 4);
  evaluation_.resolved.mutable_spec()->set_seed(1);
  EXPECT_EQ(Ask({1, 2}), 5);
  evaluation_.resolved.mutable_source_model()->set_digest("def");
  EXPECT_EQ(Ask({1, 2}), 6);
}

TEST_F(CraftedTilesTest, TheLongestUnusedIsForgotten) {
  EXPECT_EQ(Ask({1}), 1);
  EXPECT_EQ(Ask({2}), 2);
  EXPECT_EQ(Ask({1}), 1);
  EXPECT_EQ(Ask({3}), 3);
  EXPECT_EQ(Ask({1}), 1);
  EXPECT_EQ(Ask({2}), 4) << "there is room for two";
}

TEST_F(CraftedTilesTest, AFailureIsNotRemembered) {
  const CraftOnce craft_once = tiles_.ForTile(evaluation_, {1});
  EXPECT_TRUE(absl::IsCancelled(
      craft_once("0", [] { return absl::CancelledError(""); }).status()));
  EXPECT_EQ(Ask({1}), 1);
}

TEST_F(CraftedTilesTest, WhatNeverFitsIsNotKept) {
  CraftedTiles none(kBytes - 1);
  for (int i = 0; i < 2; ++i) {
    bool called = false;
    const auto crafted = none.ForTile(evaluation_, {1})("0", [&called] {
      called = true;
      AttackResult result;
      result.images = at::zeros({1, 3, 2, 2});
      return absl::StatusOr<Crafted>(Crafted{result});
    });
    EXPECT_TRUE(crafted.ok());
    EXPECT_TRUE(called);
  }
}

}  // namespace
}  // namespace adv
