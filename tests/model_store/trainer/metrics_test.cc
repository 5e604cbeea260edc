#include "model_store/trainer/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace adv {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

RunStatus Status(int64_t images_done) {
  RunStatus status;
  status.progress.epoch = 3;
  status.progress.training_loss = 0.5;
  status.progress.training_accuracy = 0.75;
  status.images_done = images_done;
  status.images_per_second = 12;
  status.eta_seconds = 60;
  return status;
}

TEST(TrainingMetricsTest, TellsHowAModelFares) {
  TrainingMetrics metrics;
  metrics.SetState("no-cat", ModelState::kRunning);
  metrics.Update("no-cat", Status(100));
  metrics.Update("no-cat", Status(160));
  EpochRecord record;
  record.training_loss = 0.25;
  record.validation_loss = 1.5;
  record.validation_accuracy = 0.625;
  metrics.SetEpoch("no-cat", 3, record);
  EXPECT_THAT(
      metrics.Text(),
      AllOf(HasSubstr("# HELP adv_train_loss Mean loss"),
            HasSubstr("adv_train_epoch{model=\"no-cat\"} 3\n"),
            HasSubstr("adv_train_images_total{model=\"no-cat\"} 160\n"),
            HasSubstr("adv_train_images_per_second{model=\"no-cat\"} 12\n"),
            HasSubstr("adv_train_eta_seconds{model=\"no-cat\"} 60\n"),
            HasSubstr("adv_train_loss{model=\"no-cat\",set=\"training\"} "
                      "0.25\n"),
            HasSubstr("adv_train_loss{model=\"no-cat\",set=\"validation\"} "
                      "1.5\n"),
            HasSubstr("adv_train_accuracy{model=\"no-cat\",set="
                      "\"validation\"} 0.625\n")));
}

TEST(TrainingMetricsTest, CountsModelsByState) {
  TrainingMetrics metrics;
  metrics.SetState("one", ModelState::kWaiting);
  metrics.SetState("two", ModelState::kWaiting);
  metrics.SetState("one", ModelState::kRunning);
  metrics.Update("one", Status(10));
  metrics.SetState("one", ModelState::kPublished);
  EXPECT_THAT(metrics.Text(),
              AllOf(HasSubstr("adv_train_models{state=\"waiting\"} 1\n"),
                    HasSubstr("adv_train_models{state=\"running\"} 0\n"),
                    HasSubstr("adv_train_models{state=\"published\"} 1\n"),
                    HasSubstr("adv_train_models{state=\"failed\"} 0\n"),
                    HasSubstr("adv_train_eta_seconds{model=\"one\"} 0\n"),
                    HasSubstr("adv_train_images_total{model=\"one\"} 10\n")));
}

TEST(TrainingMetricsTest, APortInUseIsAnError) {
  TrainingMetrics first;
  const absl::StatusOr<Address> address =
      first.Serve(*ParseAddress("127.0.0.1:0"));
  ASSERT_TRUE(address.ok()) << address.status();
  EXPECT_GT(address->port, 0);
  TrainingMetrics second;
  const absl::StatusOr<Address> taken = second.Serve(*address);
  EXPECT_EQ(taken.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(taken.status().message()),
              HasSubstr(ToString(*address)));
}

}  // namespace
}  // namespace adv
