#include "server/evaluations/evaluation_audience.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <variant>
#include <vector>

namespace adv {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

v1::EvaluationProgress Progress(int64_t samples) {
  v1::EvaluationProgress progress;
  progress.set_samples_done(samples);
  return progress;
}

// Notes the samples of each progress, and -1 for the end.
std::shared_ptr<EvaluationChannel> ChannelTo(std::vector<int64_t>* heard) {
  return std::make_shared<EvaluationChannel>(
      [heard](const EvaluationEvent& event) {
        const auto* progress = std::get_if<v1::EvaluationProgress>(&event);
        heard->push_back(progress != nullptr ? progress->samples_done() : -1);
      });
}

TEST(EvaluationAudienceTest, HearsNothingAfterTheEnd) {
  EvaluationAudience audience;
  std::vector<int64_t> heard;
  audience.Join(ChannelTo(&heard), WhenLeft::kGoesOn);
  audience.SendProgress([] { return Progress(1); });
  audience.SendEnd({});
  bool asked = false;
  audience.SendProgress([&asked] {
    asked = true;
    return Progress(2);
  });
  EXPECT_THAT(heard, ElementsAre(1, -1));
  EXPECT_FALSE(asked);
}

TEST(EvaluationAudienceTest, WhoLeftHearsNothing) {
  EvaluationAudience audience;
  std::vector<int64_t> left, stayed;
  const auto channel = ChannelTo(&left);
  audience.Join(channel, WhenLeft::kGoesOn);
  audience.Join(ChannelTo(&stayed), WhenLeft::kGoesOn);
  channel->Close();
  audience.SendProgress([] { return Progress(1); });
  audience.SendEnd({});
  EXPECT_THAT(left, IsEmpty());
  EXPECT_THAT(stayed, ElementsAre(1, -1));
}

TEST(EvaluationAudienceTest, IsLeftWhenAllWhoWantTheEndHaveGone) {
  EvaluationAudience audience;
  std::vector<int64_t> heard;
  const auto one = ChannelTo(&heard);
  const auto other = ChannelTo(&heard);
  audience.Join(one, WhenLeft::kIsCancelled);
  audience.Join(other, WhenLeft::kIsCancelled);
  one->Close();
  EXPECT_FALSE(audience.left());
  other->Close();
  EXPECT_TRUE(audience.left());
}

TEST(EvaluationAudienceTest, IsNeverLeftOnceSomeoneWantsItToGoOn) {
  EvaluationAudience audience;
  std::vector<int64_t> heard;
  const auto channel = ChannelTo(&heard);
  audience.Join(channel, WhenLeft::kGoesOn);
  channel->Close();
  EXPECT_FALSE(audience.left());
  // Forgetting who has gone does not forget what was asked.
  audience.SendProgress([] { return Progress(1); });
  EXPECT_FALSE(audience.left());
}

}  // namespace
}  // namespace adv
