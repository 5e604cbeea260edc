#include "server/refusals.h"

#include <gmock/gmock.h>

#include "server/errors.h"
#include "tests/server/violations.h"

namespace adv {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

TEST(RefusalsTest, EachErrorGetsItsReason) {
  EXPECT_EQ(ReasonName(RefuseModel(absl::NotFoundError("x"), "m", "model")),
            "MODEL_NOT_FOUND");
  EXPECT_EQ(
      ReasonName(RefuseModel(absl::FailedPreconditionError("x"), "m", "model")),
      "MODEL_NOT_LOADED");
  EXPECT_EQ(ReasonName(RefuseDataset(absl::NotFoundError("x"), "d")),
            "DATASET_NOT_FOUND");
  EXPECT_EQ(
      ReasonName(RefuseEvaluation(absl::ResourceExhaustedError("x"), true)),
      "TOO_MANY_EVALUATIONS");
  EXPECT_EQ(
      ReasonName(RefuseEvaluationId(absl::ResourceExhaustedError("x"), "id")),
      "STORAGE_FULL");
  EXPECT_EQ(
      ReasonName(RefuseEvaluation(absl::ResourceExhaustedError("x"), false)),
      "STORAGE_FULL");
  EXPECT_EQ(ReasonName(RefuseEvaluation(absl::AbortedError("x"), false)),
            "EVALUATION_ENDING");
  EXPECT_EQ(ReasonName(RefuseEvaluationId(absl::NotFoundError("x"), "i")),
            "EVALUATION_NOT_FOUND");
  EXPECT_EQ(
      ReasonName(RefuseEvaluationId(absl::FailedPreconditionError("x"), "i")),
      "EVALUATION_RUNNING");
}

TEST(RefusalsTest, InvalidArgumentsNameTheRequestsField) {
  EXPECT_THAT(ViolationsOf(RefuseModel(absl::InvalidArgumentError("why"), "M",
                                       "spec.model")),
              ElementsAre(Pair("spec.model", "why")));
  EXPECT_THAT(
      ViolationsOf(RefuseEvaluationId(absl::InvalidArgumentError("why"), "")),
      ElementsAre(Pair("id", "why")));
  EXPECT_THAT(ViolationsOf(RefusePageToken(absl::InvalidArgumentError("why"))),
              ElementsAre(Pair("page_token", "why")));
}

TEST(RefusalsTest, AFullQueueSaysWhenItIsWorthwhile) {
  ExecutorOptions options;
  options.threads = 1;
  const Executor executor(options);
  const absl::Status status = RefuseJob(absl::ResourceExhaustedError("full"),
                                        executor, Lane::kInteractive);
  EXPECT_EQ(ReasonName(status), "QUEUE_FULL");
  EXPECT_EQ(RetryPushback(status), "50");
  EXPECT_EQ(ReasonName(RefuseJob(absl::DeadlineExceededError("x"), executor,
                                 Lane::kBulk)),
            "DEADLINE_TOO_SHORT");
}

TEST(RefusalsTest, WhatIsFineOrHasAReasonPassesUnchanged) {
  EXPECT_TRUE(RefuseModel(absl::OkStatus(), "m", "model").ok());
  const absl::Status draining = Error(Reason::kDraining, "x");
  EXPECT_EQ(RefuseEvaluation(draining, true), draining);
  EXPECT_EQ(RefusePageToken(absl::DataLossError("x")).code(),
            absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace adv
