#include "server/wire/errors.h"

#include <gmock/gmock.h>

#include <fstream>
#include <iterator>
#include <set>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "tests/folders.h"
#include "tests/server/violations.h"

namespace adv {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::SizeIs;

google::rpc::Status Details(const grpc::Status& status) {
  google::rpc::Status details;
  EXPECT_TRUE(details.ParseFromString(status.error_details()));
  return details;
}

google::rpc::ErrorInfo Info(const grpc::Status& status) {
  google::rpc::ErrorInfo info;
  const google::rpc::Status details = Details(status);
  for (const auto& detail : details.details()) {
    if (detail.type_url() == "type.googleapis.com/google.rpc.ErrorInfo") {
      EXPECT_TRUE(info.ParseFromString(detail.value()));
    }
  }
  return info;
}

TEST(ErrorsTest, TheTableIsInTheOrderOfTheEnumAndNamesAreUnique) {
  std::set<std::string> names;
  int index = 0;
  for (const ReasonRow& row : ErrorTable()) {
    EXPECT_EQ(static_cast<int>(row.reason), index++);
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_NE(std::string(row.meaning), "");
  }
  EXPECT_EQ(ErrorTable().back().reason, Reason::kInternal);
}

TEST(ErrorsTest, EveryReasonReachesTheWireWithItsCode) {
  for (const ReasonRow& row : ErrorTable()) {
    const grpc::Status status =
        ToGrpcStatus(Error(row.reason, "text", {{"key", "value"}}));
    EXPECT_EQ(static_cast<int>(status.error_code()),
              static_cast<int>(row.code));
    EXPECT_EQ(status.error_message(), "text");
    EXPECT_EQ(Details(status).message(), "text");
    EXPECT_EQ(Details(status).code(), static_cast<int>(row.code));
    EXPECT_EQ(Info(status).reason(), row.name);
    EXPECT_EQ(Info(status).domain(), "adv");
    EXPECT_EQ(Info(status).metadata().at("key"), "value");
  }
}

TEST(ErrorsTest, TheReadmeShowsTheTable) {
  std::ifstream file(SourceDir() + "/server/README.md");
  const std::string readme((std::istreambuf_iterator<char>(file)), {});
  for (const ReasonRow& row : ErrorTable()) {
    EXPECT_THAT(readme, HasSubstr("| `" + std::string(row.name) + "` | " +
                                  absl::StatusCodeToString(row.code) + " | " +
                                  row.meaning + " |"));
  }
}

TEST(ErrorsTest, StatusesOfOtherRoomsGetAReasonToo) {
  EXPECT_EQ(Info(ToGrpcStatus(absl::CancelledError("x"))).reason(),
            "CANCELLED");
  EXPECT_EQ(Info(ToGrpcStatus(absl::InvalidArgumentError("x"))).reason(),
            "INVALID_REQUEST");
  const grpc::Status damaged = ToGrpcStatus(absl::DataLossError("x"));
  EXPECT_EQ(damaged.error_code(), grpc::StatusCode::INTERNAL);
  EXPECT_EQ(Info(damaged).reason(), "INTERNAL");
  EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok());
}

TEST(ErrorsTest, ViolationsAreGatheredAndSpelledOut) {
  FieldViolations violations;
  EXPECT_TRUE(violations.status().ok());
  violations.Add("images.shape", "is wrong");
  violations.Add("spec.epsilons[1]", "is -1; must be 0 to 1");
  const absl::Status status = violations.status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReasonName(status), "INVALID_REQUEST");
  EXPECT_EQ(std::string(status.message()),
            "images.shape: is wrong; spec.epsilons[1]: is -1; must be 0 to 1");
  EXPECT_THAT(ViolationsOf(status),
              ElementsAre(Pair("images.shape", "is wrong"),
                          Pair("spec.epsilons[1]", "is -1; must be 0 to 1")));
}

TEST(ErrorsTest, ManyViolationsAreCountedAndTheStatusStaysSmall) {
  FieldViolations violations;
  for (int i = 0; i < 1000; ++i) violations.Add("f", std::string(1000, 'x'));
  const grpc::Status status = ToGrpcStatus(violations.status());
  // gRPC peers accept 8 KiB of trailers; base64 makes four bytes of three.
  EXPECT_LT(
      status.error_details().size() * 4 / 3 + status.error_message().size(),
      7500);
  const auto listed = ViolationsOf(violations.status());
  ASSERT_GT(listed.size(), 2);
  EXPECT_EQ(
      listed.back().second,
      "and " + std::to_string(1000 - listed.size() + 1) + " more violations");
}

TEST(ErrorsTest, OverloadSaysWhenToComeBack) {
  const absl::Status status =
      Overloaded(Reason::kQueueFull, "full", absl::Milliseconds(1250));
  EXPECT_EQ(RetryPushback(status), "1250");
  EXPECT_EQ(RetryPushback(Error(Reason::kInternal, "x")), "");
}

TEST(ErrorsTest, WhatWaitingDoesNotMendIsNotToBeRepeated) {
  for (const Reason reason :
       {Reason::kStorageFull, Reason::kOutOfMemory, Reason::kMessageTooLarge}) {
    EXPECT_EQ(RetryPushback(Error(reason, "x")), "-1");
  }
}

TEST(ErrorsTest, OutsideBytesAreQuotedEscapedAndCut) {
  EXPECT_EQ(Quote("a\nb\xff"), "\"a\\nb\\xff\"");
  EXPECT_EQ(Quote(std::string(200, 'x')),
            "\"" + std::string(80, 'x') + "...\"");
}

}  // namespace
}  // namespace adv
