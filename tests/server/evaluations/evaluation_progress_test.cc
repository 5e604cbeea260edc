// When the end is foretold, and by what.
#include "server/evaluations/evaluation_progress.h"

#include <gtest/gtest.h>

#include "tests/server/manual_clock.h"

namespace adv {
namespace {

using std::chrono::seconds;

class ProgressCountTest : public ::testing::Test {
 protected:
  ProgressCountTest() {
    count_.Begin(clock_.Now());
    work_.planned = 400;
  }
  void AddSamples(int samples) {
    for (int i = 0; i < samples; ++i) count_.Add(SampleRecord());
  }
  double Eta() { return count_.Encode(work_, clock_.Now()).eta_seconds(); }

  ManualClock clock_;
  ProgressCount count_{10, 1};
  WorkSoFar work_;
};

TEST_F(ProgressCountTest, AccuraciesAreToldFromTheFirstSampleOn) {
  v1::EvaluationProgress progress = count_.Encode(work_, clock_.Now());
  EXPECT_FALSE(progress.has_clean_accuracy());
  EXPECT_EQ(progress.robust_accuracy_size(), 0);
  AddSamples(1);
  progress = count_.Encode(work_, clock_.Now());
  EXPECT_EQ(progress.clean_accuracy().total(), 1);
  ASSERT_EQ(progress.robust_accuracy_size(), 1);
  EXPECT_EQ(progress.robust_accuracy(0).total(), 1);
}

TEST_F(ProgressCountTest, WithoutASpeedOrAPassTheEndIsNotKnown) {
  EXPECT_EQ(Eta(), -1);
  clock_.Advance(seconds(5));
  EXPECT_EQ(Eta(), -1);
}

TEST_F(ProgressCountTest, EarlierJobsOfTheModelForetellTheEnd) {
  work_.speed = {10, true};
  work_.at_once = 2;
  EXPECT_EQ(Eta(), 20);
  clock_.Advance(seconds(50));
  work_.cost = 100;
  EXPECT_EQ(Eta(), 15);
}

TEST_F(ProgressCountTest, JobsOfOtherModelsDoUntilTheFirstPass) {
  work_.speed = {1000, false};
  EXPECT_EQ(Eta(), .4);
  clock_.Advance(seconds(5));
  work_.cost = 100;
  EXPECT_EQ(Eta(), 15);
}

TEST_F(ProgressCountTest, TheFirstTilesPassesForetellTheEnd) {
  clock_.Advance(seconds(5));
  work_.cost = 100;
  EXPECT_EQ(Eta(), 15);
  // Padding made it more than was planned.
  work_.cost = 500;
  EXPECT_EQ(Eta(), 0);
}

TEST_F(ProgressCountTest, FromTheFirstTileOnSamplesTellThePace) {
  work_.speed = {1000, true};
  work_.cost = 100;
  clock_.Advance(seconds(6));
  AddSamples(4);
  EXPECT_EQ(Eta(), 9);
}

TEST_F(ProgressCountTest, WhatTheStoreHadTellsNoPace) {
  AddSamples(4);
  count_.Begin(clock_.Now());
  clock_.Advance(seconds(6));
  EXPECT_EQ(Eta(), -1);
  work_.cost = 100;
  EXPECT_EQ(Eta(), 18);
}

}  // namespace
}  // namespace adv
