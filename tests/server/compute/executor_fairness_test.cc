// Who comes next in a lane, and who finds room in it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "server/compute/executor.h"
#include "tests/server/compute/executor_fixture.h"

namespace adv {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;

class ExecutorFairnessTest : public ExecutorTest {
 protected:
  static JobOptions Of(const std::string& identity, int64_t cost = 1) {
    JobOptions options = Interactive(cost);
    options.identity = identity;
    return options;
  }
  // Jobs named "<identity><i>".
  void Queue(const std::string& identity, int first, int last,
             int64_t cost = 1) {
    for (int i = first; i <= last; ++i) {
      ASSERT_TRUE(
          Submit(identity + std::to_string(i), Of(identity, cost)).ok());
    }
  }
  // Jobs that a lane takes until it refuses one.
  int Fill(const std::string& identity) {
    int taken = 0;
    while (Submit(identity, Of(identity)).ok()) ++taken;
    return taken;
  }
};

TEST_F(ExecutorFairnessTest, IdentitiesTakeTurns) {
  StartExecutor();
  Occupy();
  Queue("a", 0, 3);
  Queue("b", 0, 1);
  gate_.Open();
  journal_.Await("a3");
  EXPECT_THAT(journal_.events(),
              ElementsAre("a0", "b0", "a1", "b1", "a2", "a3"));
}

TEST_F(ExecutorFairnessTest, SharesAreOfCost) {
  StartExecutor();
  Occupy();
  Queue("a", 0, 1, /*cost=*/3);
  Queue("b", 0, 4);
  gate_.Open();
  journal_.Await("b4");
  EXPECT_THAT(journal_.events(),
              ElementsAre("a0", "b0", "b1", "b2", "a1", "b3", "b4"));
}

TEST_F(ExecutorFairnessTest, WhoAskedForNothingSavesUpNoTurns) {
  StartExecutor();
  Queue("b", 0, 0);
  journal_.Await("b0");
  for (int i = 0; i < 5; ++i) {
    Queue("a", i, i);
    journal_.Await("a" + std::to_string(i));
  }
  Occupy(Of("a"));
  Queue("a", 5, 7);
  Queue("b", 1, 3);
  gate_.Open();
  journal_.Await("a7");
  journal_.Await("b3");
  EXPECT_THAT(journal_.events(),
              ElementsAre("b0", "a0", "a1", "a2", "a3", "a4", "b1", "a5", "b2",
                          "a6", "b3", "a7"));
}

TEST_F(ExecutorFairnessTest, AFloodLeavesRoomForOthers) {
  ExecutorOptions options;
  options.interactive = {16, 1000};
  StartExecutor(options);
  Occupy();
  EXPECT_EQ(Fill("flood"), 8);
  EXPECT_EQ(Fill("other"), 4);
  // Whoever has no name is bound by the lane alone.
  EXPECT_EQ(Fill(""), 4);
  gate_.Open();
}

TEST_F(ExecutorFairnessTest, AFloodDelaysNobodyElsesEnd) {
  StartExecutor();
  // Ten units of cost take a second.
  ASSERT_TRUE(executor_
                  ->Submit(
                      Interactive(20),
                      [&](const BeforePass&) {
                        clock_.Advance(seconds(2));
                        return absl::OkStatus();
                      },
                      journal_.Ends("measured"))
                  .ok());
  journal_.Await("measured");
  Occupy();
  Queue("flood", 0, 9, /*cost=*/100);
  JobOptions own = Of("flood", 10), others = Of("other", 10);
  own.deadline = others.deadline = clock_.Now() + seconds(5);
  EXPECT_TRUE(absl::IsDeadlineExceeded(executor_->Offer(own)));
  EXPECT_TRUE(executor_->Offer(others).ok());
  gate_.Open();
}

}  // namespace
}  // namespace adv
