#include "server/compute/endpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "server/wire/errors.h"
#include "tests/server/compute/scripted_endpoint.h"
#include "tests/server/gate.h"
#include "tests/server/manual_clock.h"

namespace adv {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class EndpointTest : public ::testing::Test {
 protected:
  // The server answers with `status`, once for each call.
  void Script(std::vector<grpc::Status> answers) {
    answers_ = std::move(answers);
    server_ = std::make_unique<ScriptedEndpoint>(
        [this](grpc::ServerContext*, const inference::ModelInferRequest&,
               inference::ModelInferResponse* response) {
          const size_t call = next_++;
          response->set_id("done");
          return call < answers_.size() ? answers_[call] : grpc::Status::OK;
        });
  }
  void Start(EndpointOptions options = {}) {
    options.name = "lab";
    options.target = server_->target();
    endpoint_ = std::make_unique<Endpoint>(options);
  }
  absl::StatusOr<inference::ModelInferResponse> Infer(int64_t images = 5) {
    inference::ModelInferRequest request;
    request.set_model_name("cat");
    return endpoint_->Infer(request, images, {&sent_, cancel_});
  }

  std::vector<grpc::Status> answers_;
  std::atomic<size_t> next_{0};
  std::atomic<int64_t> sent_{0};
  CancelToken cancel_;
  std::unique_ptr<ScriptedEndpoint> server_;
  std::unique_ptr<Endpoint> endpoint_;
};

const grpc::Status kDown(grpc::StatusCode::UNAVAILABLE, "restarting");

TEST_F(EndpointTest, TriesAgainAndCountsEachTimeThatItSends) {
  Script({kDown, kDown});
  Start();
  const auto response = Infer();
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->id(), "done");
  EXPECT_EQ(sent_, 15);
  const EndpointStats stats = endpoint_->stats();
  EXPECT_EQ(stats.queries, 15);
  EXPECT_EQ(stats.calls, 3);
  EXPECT_EQ(stats.failures, 2);
  EXPECT_EQ(stats.retries, 2);
  EXPECT_EQ(stats.in_flight, 0);
}

TEST_F(EndpointTest, GivesUpAndNamesItselfButNoHost) {
  Script(std::vector<grpc::Status>(10, kDown));
  EndpointOptions options;
  options.retries = 2;
  Start(options);
  const absl::Status status = Infer().status();
  EXPECT_TRUE(HasReason(status, Reason::kModelUnreachable)) << status;
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("endpoint lab"), HasSubstr("\"cat\""),
                    HasSubstr("3 tries"), HasSubstr("restarting"),
                    Not(HasSubstr(server_->target()))));
  EXPECT_EQ(sent_, 15);
}

// gRPC's own words on a connection name the address.
TEST_F(EndpointTest, NamesNoHostWhereNobodyListens) {
  Script({});
  EndpointOptions options;
  options.retries = 0;
  Start(options);
  const std::string target = server_->target();
  server_.reset();
  const std::string message(Infer().status().message());
  EXPECT_THAT(message,
              AllOf(HasSubstr("endpoint lab"), HasSubstr("UNAVAILABLE"),
                    Not(HasSubstr(target)), Not(HasSubstr("127.0.0.1"))));
}

TEST_F(EndpointTest, WhatWillNotPassIsNotTriedAgain) {
  Script({{grpc::StatusCode::INVALID_ARGUMENT, "no such tensor"}});
  Start();
  const absl::Status status = Infer().status();
  EXPECT_TRUE(HasReason(status, Reason::kModelUnreachable)) << status;
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("no such tensor"), HasSubstr("1 try")));
  EXPECT_EQ(endpoint_->stats().calls, 1);
}

// A server in trouble is not asked seven times as much as before.
TEST_F(EndpointTest, RetriesArePaidFor) {
  Script(std::vector<grpc::Status>(1000, kDown));
  EndpointOptions options;
  options.retries = 100;
  ManualClock clock;
  options.clock = &clock;
  Start(options);
  absl::Status status;
  std::atomic<bool> ended{false};
  std::thread caller([&] {
    status = Infer().status();
    ended = true;
  });
  while (!ended) {
    clock.Advance(std::chrono::seconds(10));
    std::this_thread::yield();
  }
  caller.join();
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(endpoint_->stats().retries, 20);
  EXPECT_FALSE(Infer().ok());
  EXPECT_EQ(endpoint_->stats().calls, 22);
}

TEST_F(EndpointTest, SendsNoFasterThanAllowed) {
  Script({});
  EndpointOptions options;
  options.queries_per_second = 10;
  ManualClock clock;
  options.clock = &clock;
  Start(options);
  ASSERT_TRUE(Infer(20).ok());  // the first may go at once
  std::atomic<bool> ended{false};
  std::thread second([&] {
    EXPECT_TRUE(Infer(5).ok());
    ended = true;
  });
  clock.AwaitWaiter();
  clock.Advance(std::chrono::milliseconds(1999));
  clock.AwaitWaiter();
  EXPECT_FALSE(ended);
  EXPECT_EQ(endpoint_->stats().queries, 20);
  clock.Advance(std::chrono::milliseconds(1));
  second.join();
  EXPECT_EQ(endpoint_->stats().queries, 25);
  EXPECT_EQ(endpoint_->stats().held_seconds, 2);
}

TEST_F(EndpointTest, ACallThatTakesTooLongFails) {
  server_ = std::make_unique<ScriptedEndpoint>(
      [](grpc::ServerContext* context, const inference::ModelInferRequest&,
         inference::ModelInferResponse*) {
        while (!context->IsCancelled()) std::this_thread::yield();
        return grpc::Status::CANCELLED;
      });
  EndpointOptions options;
  options.timeout = .05;
  options.retries = 0;
  Start(options);
  EXPECT_THAT(std::string(Infer().status().message()),
              HasSubstr("DEADLINE_EXCEEDED"));
}

TEST_F(EndpointTest, StopEndsCallsAndPauses) {
  Gate arrived;
  server_ = std::make_unique<ScriptedEndpoint>(
      [&arrived](grpc::ServerContext* context,
                 const inference::ModelInferRequest&,
                 inference::ModelInferResponse*) {
        arrived.Open();
        while (!context->IsCancelled()) std::this_thread::yield();
        return grpc::Status::CANCELLED;
      });
  Start();
  absl::Status status;
  std::thread caller([&] { status = Infer().status(); });
  arrived.Pass();
  endpoint_->Stop();
  caller.join();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_TRUE(absl::IsUnavailable(Infer().status()));
}

// Others go on: a cancelled evaluation must not hold a place for the rest of
// its timeout.
TEST_F(EndpointTest, ACancelledAskerLeavesItsCallAtOnce) {
  Gate arrived;
  std::atomic<bool> waits{true};
  server_ = std::make_unique<ScriptedEndpoint>(
      [&](grpc::ServerContext* context, const inference::ModelInferRequest&,
          inference::ModelInferResponse*) {
        if (!waits) return grpc::Status::OK;
        arrived.Open();
        while (!context->IsCancelled()) std::this_thread::yield();
        return grpc::Status::CANCELLED;
      });
  EndpointOptions options;
  options.requests = 1;
  Start(options);
  absl::Status status;
  std::thread caller([&] { status = Infer().status(); });
  arrived.Pass();
  waits = false;
  cancel_.Cancel();
  caller.join();
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
  EXPECT_EQ(sent_, 5);
  EXPECT_EQ(endpoint_->stats().calls, 1);
  EXPECT_TRUE(absl::IsCancelled(Infer().status()));
  EXPECT_EQ(sent_, 5) << "nothing is sent for who is gone";
  cancel_ = CancelToken();
  EXPECT_TRUE(Infer().ok()) << "the place is free";
}

TEST_F(EndpointTest, ACancelledAskerLeavesItsPauseAtOnce) {
  Script(std::vector<grpc::Status>(10, kDown));
  ManualClock clock;
  EndpointOptions options;
  options.clock = &clock;
  Start(options);
  absl::Status status;
  std::thread caller([&] { status = Infer().status(); });
  clock.AwaitWaiter();  // the pause after the first try
  cancel_.Cancel();
  caller.join();
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
  EXPECT_EQ(endpoint_->stats().calls, 1);
}

TEST_F(EndpointTest, ACancelledAskerLeavesItsTurnAtOnce) {
  Script({});
  ManualClock clock;
  EndpointOptions options;
  options.queries_per_second = 10;
  options.requests = 1;
  options.clock = &clock;
  Start(options);
  ASSERT_TRUE(Infer(20).ok());
  absl::Status status;
  std::thread caller([&] { status = Infer().status(); });
  clock.AwaitWaiter();
  cancel_.Cancel();
  caller.join();
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
  EXPECT_EQ(sent_, 20);
}

// gRPC by itself would look again after a pause that grows to two minutes.
TEST_F(EndpointTest, FindsAServerThatCameBack) {
  Script({});
  Start();
  ASSERT_TRUE(Infer().ok());
  const std::string target = server_->target();
  server_.reset();
  EXPECT_FALSE(endpoint_->Metadata("cat", "").ok());
  inference::GRPCInferenceService::Service empty;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(target, grpc::InsecureServerCredentials());
  builder.RegisterService(&empty);
  const auto again = builder.BuildAndStart();
  ASSERT_NE(again, nullptr);
  EXPECT_THAT(std::string(Infer().status().message()),
              HasSubstr("UNIMPLEMENTED"));
}

}  // namespace
}  // namespace adv
