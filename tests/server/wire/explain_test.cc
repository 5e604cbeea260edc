#include "server/wire/explain.h"

#include <gmock/gmock.h>

#include "server/wire/errors.h"
#include "tests/server/violations.h"

namespace adv {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

TEST(ExplainTest, EachErrorGetsItsReason) {
  EXPECT_EQ(ReasonName(ExplainModel(absl::NotFoundError("x"), "m", "model")),
            "MODEL_NOT_FOUND");
  EXPECT_EQ(ReasonName(
                ExplainModel(absl::FailedPreconditionError("x"), "m", "model")),
            "MODEL_NOT_LOADED");
  EXPECT_EQ(ReasonName(ExplainDataset(absl::NotFoundError("x"), "d")),
            "DATASET_NOT_FOUND");
  EXPECT_EQ(ReasonName(ExplainEvaluation(absl::ResourceExhaustedError("x"),
                                         true, false)),
            "TOO_MANY_EVALUATIONS");
  EXPECT_EQ(
      ReasonName(ExplainEvaluationId(absl::ResourceExhaustedError("x"), "id")),
      "STORAGE_FULL");
  EXPECT_EQ(ReasonName(ExplainEvaluation(absl::ResourceExhaustedError("x"),
                                         false, false)),
            "STORAGE_FULL");
  EXPECT_EQ(
      ReasonName(ExplainEvaluation(absl::AbortedError("x"), false, false)),
      "EVALUATION_ENDING");
  EXPECT_EQ(ReasonName(ExplainEvaluationId(absl::NotFoundError("x"), "i")),
            "EVALUATION_NOT_FOUND");
  EXPECT_EQ(
      ReasonName(ExplainEvaluationId(absl::FailedPreconditionError("x"), "i")),
      "EVALUATION_RUNNING");
  const absl::Status ending = ExplainEvaluationId(absl::AbortedError("x"), "i");
  EXPECT_EQ(ReasonName(ending), "EVALUATION_ENDING");
  EXPECT_EQ(RetryPushback(ending), "1000");
}

TEST(ExplainTest, ADatabaseThatIsAwayIsNoDrainAndKeepsItsAddressToItself) {
  const absl::Status away = absl::UnavailableError("no socket /var/run/x");
  for (const absl::Status& status :
       {ExplainEvaluation(away, false, false), ExplainEvaluationId(away, "i"),
        ExplainPageToken(away)}) {
    EXPECT_EQ(ReasonName(status), "STORAGE_UNAVAILABLE");
    EXPECT_EQ(status.message().find("/var"), absl::string_view::npos);
    EXPECT_NE(RetryPushback(status), "");
  }
  // To gRPC it is DRAINING.
  EXPECT_EQ(ExplainEvaluation(away, false, true), away);
}

TEST(ExplainTest, InvalidArgumentsNameTheRequestsField) {
  EXPECT_THAT(ViolationsOf(ExplainModel(absl::InvalidArgumentError("why"), "M",
                                        "spec.model")),
              ElementsAre(Pair("spec.model", "why")));
  EXPECT_THAT(
      ViolationsOf(ExplainEvaluationId(absl::InvalidArgumentError("why"), "")),
      ElementsAre(Pair("id", "why")));
  EXPECT_THAT(ViolationsOf(ExplainPageToken(absl::InvalidArgumentError("why"))),
              ElementsAre(Pair("page_token", "why")));
}

TEST(ExplainTest, ARefusalForWantOfRoomOrTimeSaysWhenToAskAgain) {
  ExecutorOptions options;
  options.threads = 1;
  const Executor executor(options);
  const absl::Status status = ExplainJob(absl::ResourceExhaustedError("full"),
                                         executor, Lane::kInteractive);
  EXPECT_EQ(ReasonName(status), "QUEUE_FULL");
  EXPECT_EQ(RetryPushback(status), "50");
  const absl::Status late =
      ExplainJob(absl::DeadlineExceededError("late"), executor, Lane::kBulk);
  EXPECT_EQ(ReasonName(late), "DEADLINE_TOO_SHORT");
  EXPECT_EQ(RetryPushback(late), "50");
}

TEST(ExplainTest, WhatIsFineOrHasAReasonPassesUnchanged) {
  EXPECT_TRUE(ExplainModel(absl::OkStatus(), "m", "model").ok());
  const absl::Status draining = Error(Reason::kDraining, "x");
  EXPECT_EQ(ExplainEvaluation(draining, true, true), draining);
  EXPECT_EQ(ExplainPageToken(absl::DataLossError("x")).code(),
            absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace adv
