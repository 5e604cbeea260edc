// Ctrl-C while an evaluation runs, as a signal and at a terminal.
#include <signal.h>

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/cli_fixture.h"

namespace adv {
namespace {

using ::testing::ElementsAre;
using testing::FakeOptions;
using ::testing::HasSubstr;
using testing::Process;

class InterruptTest : public CliTest {
 protected:
  void SetUp() override {
    CliTest::SetUp();
    FakeOptions options;
    options.hold_evaluations = true;
    StartServer(options);
  }
};

TEST_F(InterruptTest, OnceDetachesAndTheEvaluationGoesOn) {
  Process process(Command({"-v", "evaluate", "--model=no-cat"}));
  ASSERT_TRUE(process.WaitForError("evaluation a01"));
  process.Signal(SIGINT);
  EXPECT_EQ(process.Wait(), 1);
  EXPECT_THAT(process.err(), HasSubstr("Detached; the evaluation goes on"));
  EXPECT_THAT(process.err(),
              HasSubstr("advctl evaluations attach a01111111111"));
  EXPECT_THAT(server_->log().cancelled, ElementsAre());
}

TEST_F(InterruptTest, TwiceCancelsTheEvaluation) {
  Process process(Command({"-v", "evaluate", "--model=no-cat"}));
  ASSERT_TRUE(process.WaitForError("evaluation a01"));
  process.Signal(SIGINT);
  ASSERT_TRUE(process.WaitForError("Ctrl-C again"));
  process.Signal(SIGINT);
  EXPECT_EQ(process.Wait(), 1);
  EXPECT_THAT(process.err(), HasSubstr("Cancelled a01111111111"));
  ASSERT_EQ(server_->log().cancelled.size(), 1u);
}

TEST_F(InterruptTest, ControlCAtATerminalAfterALiveBar) {
  Process process(Command({"evaluate", "--model=no-cat"}), {{"TERM", "xterm"}},
                  Process::Terminal::kPty);
  ASSERT_TRUE(process.WaitForError("500/1,000 images")) << process.err();
  EXPECT_THAT(process.err(), HasSubstr("[1/4] no-cat FGSM 0.01"));
  EXPECT_THAT(process.err(), HasSubstr("█"));
  process.Type("\x03");
  ASSERT_TRUE(process.WaitForError("Ctrl-C again")) << process.err();
  process.Type("\x03");
  EXPECT_EQ(process.Wait(), 1);
  EXPECT_EQ(server_->log().cancelled.size(), 1u);
}

TEST_F(InterruptTest, CancelOnDisconnectNeedsOneOnly) {
  Process process(
      Command({"-v", "evaluate", "--model=no-cat", "--cancel-on-disconnect"}));
  ASSERT_TRUE(process.WaitForError("evaluation a01"));
  process.Signal(SIGINT);
  EXPECT_EQ(process.Wait(), 1);
  EXPECT_THAT(process.err(), HasSubstr("Cancelled."));
}

TEST_F(InterruptTest, AnUnfinishedEvaluationShowsHowFarItIs) {
  const Outcome outcome = Run({"evaluations", "show", "a01111"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_THAT(outcome.out, HasSubstr("running"));
  EXPECT_THAT(outcome.out, HasSubstr("500/1,000"));
}

}  // namespace
}  // namespace adv
