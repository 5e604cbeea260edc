#include "server/evaluations/tile_schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <optional>
#include <string>

namespace adv {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::vector<int64_t> UpTo(int64_t count) {
  std::vector<int64_t> indices(count);
  std::iota(indices.begin(), indices.end(), 0);
  return indices;
}

TEST(SplitIntoTilesTest, CoverTheIndicesInOrder) {
  EXPECT_THAT(SplitIntoTiles({2, 3, 5}, 2, 1),
              ElementsAre(ElementsAre(2, 3), ElementsAre(5)));
  EXPECT_THAT(SplitIntoTiles({}, 2, 1), IsEmpty());
}

TEST(SplitIntoTilesTest, FewImagesAreDividedAmongTheJobs) {
  EXPECT_THAT(SplitIntoTiles(UpTo(100), 128, 4),
              ElementsAre(SizeIs(25), SizeIs(25), SizeIs(25), SizeIs(25)));
  // Of many images each job has full tiles.
  EXPECT_THAT(SplitIntoTiles(UpTo(600), 128, 4),
              ElementsAre(SizeIs(128), SizeIs(128), SizeIs(128), SizeIs(128),
                          SizeIs(88)));
}

TEST(SplitIntoTilesTest, NoTileIsSmallerThanAPassIsWorth) {
  EXPECT_THAT(SplitIntoTiles(UpTo(20), 128, 16),
              ElementsAre(SizeIs(8), SizeIs(8), SizeIs(4)));
  // Unless that was asked for.
  EXPECT_THAT(SplitIntoTiles(UpTo(3), 1, 16),
              ElementsAre(SizeIs(1), SizeIs(1), SizeIs(1)));
}

TEST(TileScheduleTest, GivesTilesInOrderAsManyAtOnceAsMayRun) {
  TileSchedule schedule(3, 2);
  EXPECT_EQ(schedule.Next(), 0u);
  EXPECT_EQ(schedule.Next(), 1u);
  EXPECT_EQ(schedule.Next(), std::nullopt);
  schedule.Finish(absl::OkStatus());
  EXPECT_EQ(schedule.Next(), 2u);
  EXPECT_EQ(schedule.Next(), std::nullopt);
}

TEST(TileScheduleTest, EndsOnceAndOnlyWhenNoTileRuns) {
  TileSchedule schedule(2, 2);
  EXPECT_FALSE(schedule.TakeEnd()) << "before the first tile";
  schedule.Next();
  schedule.Next();
  schedule.Finish(absl::OkStatus());
  EXPECT_FALSE(schedule.TakeEnd()) << "while the last tile runs";
  schedule.Finish(absl::OkStatus());
  EXPECT_TRUE(schedule.TakeEnd());
  EXPECT_FALSE(schedule.TakeEnd()) << "a second time";
  EXPECT_TRUE(schedule.outcome().ok());
}

TEST(TileScheduleTest, AFailedTileEndsItOnceTheOthersAreOver) {
  TileSchedule schedule(4, 2);
  schedule.Next();
  schedule.Next();
  schedule.Finish(absl::DataLossError("the image is damaged"));
  EXPECT_EQ(schedule.Next(), std::nullopt);
  EXPECT_FALSE(schedule.TakeEnd());
  // The other tile is cancelled, which is not why the schedule ended.
  schedule.Finish(absl::CancelledError("cancelled"));
  EXPECT_TRUE(schedule.TakeEnd());
  EXPECT_TRUE(absl::IsDataLoss(schedule.outcome())) << schedule.outcome();
}

TEST(TileScheduleTest, EndsEarlyWithoutAnyTile) {
  TileSchedule schedule(4, 2);
  schedule.EndEarly(absl::UnavailableError("the server is stopping"));
  schedule.EndEarly(absl::CancelledError("cancelled"));
  EXPECT_EQ(schedule.Next(), std::nullopt);
  EXPECT_TRUE(schedule.TakeEnd());
  EXPECT_TRUE(absl::IsUnavailable(schedule.outcome())) << schedule.outcome();
}

}  // namespace
}  // namespace adv
