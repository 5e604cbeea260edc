// Evaluations that are followed again, resumed, compared and computed again:
// the real program against fake servers.
#include <signal.h>

#include <algorithm>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/client/cli_fixture.h"

namespace adv {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using testing::FakeOptions;
using testing::FakeServer;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::Process;

FakeOptions InState(v1::EvaluationState state) {
  FakeOptions options;
  options.state = state;
  return options;
}

FakeOptions Forgetful() {
  FakeOptions options;
  options.forgetful = true;
  return options;
}

class CliEvaluationsTest : public CliTest {
 protected:
  // What was sent to go on with an evaluation.
  v1::EvaluateRobustnessRequest FirstRequest(FakeServer& server) {
    const auto asked = server.log().evaluations;
    EXPECT_FALSE(asked.empty());
    return asked.empty() ? v1::EvaluateRobustnessRequest() : asked.front();
  }
};

TEST_F(CliEvaluationsTest, AttachFollowsOneThatRuns) {
  StartServer(InState(v1::EVALUATION_STATE_RUNNING));
  const Outcome attached = Run({"evaluations", "attach", "a01111"});
  ASSERT_EQ(attached.code, 0) << attached.err;
  EXPECT_THAT(attached.out, HasSubstr("FGSM at epsilon 0.01 takes no-cat"));
  const auto request = FirstRequest(*server_);
  EXPECT_EQ(request.spec().model(), "no-cat@1");
  EXPECT_EQ(request.expected_id().size(), 64u);
  EXPECT_FALSE(request.cancel_on_disconnect());
  // As `evaluate` shows it.
  const Outcome evaluated =
      Run({"evaluate", "--model=no-cat@1", "--attack=fgsm", "--no-compare"});
  EXPECT_EQ(attached.out, evaluated.out);
}

TEST_F(CliEvaluationsTest, AttachDetachesAtControlCAndCancelsAtTwo) {
  FakeOptions options;
  options.hold_evaluations = true;
  StartServer(options);
  Process process(Command({"evaluations", "attach", "a01111"}),
                  {{"TERM", "xterm"}}, Process::Terminal::kPty);
  ASSERT_TRUE(process.WaitForError("no-cat@1 FGSM 0.01")) << process.err();
  ASSERT_TRUE(process.WaitForError("500/1,000 images")) << process.err();
  process.Type("\x03");
  ASSERT_TRUE(process.WaitForError("advctl evaluations attach a01111111111"));
  process.Type("\x03");
  EXPECT_EQ(process.Wait(), 1);
  EXPECT_EQ(server_->log().cancelled.size(), 1u);
}

TEST_F(CliEvaluationsTest, AttachPrintsAFinishedOne) {
  const Outcome outcome =
      Run({"evaluations", "attach", "a01111", "--output=json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(json::parse(outcome.out)["evaluations"].size(), 1u);
  EXPECT_THAT(server_->log().evaluations, IsEmpty());
}

TEST_F(CliEvaluationsTest, AttachDoesNotStartWhatWasCancelled) {
  StartServer(InState(v1::EVALUATION_STATE_CANCELLED));
  const Outcome outcome = Run({"evaluations", "attach", "a01111"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err,
              HasSubstr("a01111111111 was cancelled after 500 of 1,000"));
  EXPECT_THAT(outcome.err, HasSubstr("advctl evaluations resume a01111111111"));
  EXPECT_THAT(server_->log().evaluations, IsEmpty());
}

TEST_F(CliEvaluationsTest, EveryVerbRefusesAnUnknownId) {
  for (const std::vector<std::string>& verb :
       std::vector<std::vector<std::string>>{{"attach", "ffffff"},
                                             {"resume", "ffffff"},
                                             {"diff", "a01111", "ffffff"},
                                             {"reproduce", "ffffff"}}) {
    std::vector<std::string> command = verb;
    command.insert(command.begin(), "evaluations");
    const Outcome outcome = Run(command);
    EXPECT_EQ(outcome.code, 4) << verb[0];
    EXPECT_THAT(outcome.err, HasSubstr("no evaluation ffffff"));
    EXPECT_THAT(outcome.err, HasSubstr("advctl evaluations list"));
  }
  EXPECT_EQ(Run({"evaluations", "attach"}).code, 2);
  EXPECT_EQ(Run({"evaluations", "diff", "a01111"}).code, 2);
}

TEST_F(CliEvaluationsTest, ResumeGoesOnAndPrintsTheReport) {
  for (const auto state :
       {v1::EVALUATION_STATE_CANCELLED, v1::EVALUATION_STATE_FAILED}) {
    StartServer(InState(state));
    const Outcome outcome =
        Run({"evaluations", "resume", "a01111", "--output=csv"});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 12);
    EXPECT_EQ(FirstRequest(*server_).expected_id().size(), 64u);
  }
}

TEST_F(CliEvaluationsTest, ResumeDetachedReturnsWhileItRuns) {
  FakeOptions options;
  options.hold_evaluations = true;
  StartServer(options);
  const Outcome outcome = Run({"evaluations", "resume", "a01111", "--detach"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "a01111111111 is running.\n");
  EXPECT_FALSE(FirstRequest(*server_).cancel_on_disconnect());
  EXPECT_THAT(server_->log().cancelled, IsEmpty());
}

TEST_F(CliEvaluationsTest, ResumeOfAFinishedOnePrintsItsReport) {
  const Outcome outcome = Run({"evaluations", "resume", "a01111"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_THAT(outcome.err, HasSubstr("a01111111111 is finished"));
  EXPECT_THAT(outcome.out, HasSubstr("FGSM at epsilon 0.01"));
  EXPECT_THAT(server_->log().evaluations, IsEmpty());
}

TEST_F(CliEvaluationsTest, DiffOfEqualRecordsIsIdentical) {
  const FakeServer other;
  const Outcome outcome = Run({"evaluations", "diff", "a01111", "a01111",
                               "--other-server=" + other.address()});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("Identical: the 1,000 records"));
  EXPECT_THAT(outcome.out, HasSubstr(other.address()));
}

TEST_F(CliEvaluationsTest, DiffOfTwoModelsNamesWhatDiffers) {
  const Outcome outcome = Run({"evaluations", "diff", "a01111", "b01111"});
  EXPECT_EQ(outcome.code, 1) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("model           A  no-cat@1\n"));
  EXPECT_THAT(outcome.out, HasSubstr("B  balanced@1\n"));
  EXPECT_THAT(outcome.out, Not(HasSubstr("data set  ")));
  EXPECT_THAT(outcome.out, HasSubstr("of which 500 differ"));
  EXPECT_THAT(outcome.out, HasSubstr("at most 10 images"));
  EXPECT_THAT(outcome.out, HasSubstr("✗ dog 75.0%"));

  const json data = json::parse(
      Run({"evaluations", "diff", "a01111", "b01111", "--output=json"}).out);
  EXPECT_FALSE(data["identical"]);
  EXPECT_EQ(data["attacks"][0]["attack"], "clean");
  EXPECT_EQ(data["attacks"][0]["right_in_both"], 1000);
  EXPECT_EQ(data["attacks"][1]["right_only_in_b"], 500);
  // Dogs are said to be dogs.
  EXPECT_EQ(data["attacks"][1]["right_in_both"], 100);
  EXPECT_EQ(data["attacks"][1]["right_in_neither"], 400);
  EXPECT_EQ(data["differences"].size(), 500u);

  const std::string csv = Run({"evaluations", "diff", "a01111", "b01111",
                               "--output=csv", "--limit=3"})
                              .out;
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 4);
  EXPECT_THAT(csv, HasSubstr("\n2,2,fgsm,0.01,prediction success,"));
}

TEST_F(CliEvaluationsTest, DiffNeedsFinishedEvaluations) {
  StartServer(InState(v1::EVALUATION_STATE_RUNNING));
  const Outcome running = Run({"evaluations", "diff", "a01111", "b01111"});
  EXPECT_EQ(running.code, 1);
  EXPECT_THAT(running.err, HasSubstr("evaluations attach a01111111111"));
  StartServer(InState(v1::EVALUATION_STATE_FAILED));
  const Outcome failed = Run({"evaluations", "diff", "a01111", "b01111"});
  EXPECT_EQ(failed.code, 1);
  EXPECT_THAT(failed.err, HasSubstr("evaluations resume a01111111111"));
}

class ReproduceTest : public CliEvaluationsTest {
 protected:
  Outcome ReproduceOn(const FakeServer& other,
                      const std::vector<std::string>& flags = {}) {
    std::vector<std::string> command = {"evaluations", "reproduce", "a01111",
                                        "--on=" + other.address()};
    command.insert(command.end(), flags.begin(), flags.end());
    return Run(command);
  }
};

TEST_F(ReproduceTest, EqualRecordsAreIdentical) {
  FakeServer other(Forgetful());
  const Outcome outcome = ReproduceOn(other);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("Identical"));
  EXPECT_EQ(FirstRequest(other).spec().model(), "no-cat@1");
  EXPECT_THAT(server_->log().evaluations, IsEmpty());
}

TEST_F(ReproduceTest, OtherRecordsAreToldImageByImage) {
  FakeOptions options = Forgetful();
  options.odd_records = 100;
  const FakeServer other(options);
  const Outcome outcome = ReproduceOn(other, {"--output=json"});
  EXPECT_EQ(outcome.code, 1) << outcome.err;
  const json data = json::parse(outcome.out);
  EXPECT_EQ(data["differing_images"], 10);
  EXPECT_EQ(data["differences"][1]["index"], 100);
  EXPECT_EQ(data["differences"][1]["differs_in"], json::array({"l2"}));
  EXPECT_EQ(data["attacks"][1]["largest_l2"], .125);
  EXPECT_TRUE(data["settings"].empty());
}

TEST_F(ReproduceTest, APrivateServerComputesItByDefault) {
  Process process(
      Command({"evaluations", "reproduce", "a01111"}),
      {{"ADVCTL_ADVSERVER", FakeAdvserver()}, {"TMPDIR", folder_.string()}});
  EXPECT_EQ(process.Wait(), 0) << process.err();
  EXPECT_THAT(process.out(), HasSubstr("private server"));
  EXPECT_THAT(process.out(), HasSubstr("Identical"));
}

TEST_F(ReproduceTest, OtherDigestsAreToldBeforeAnythingIsComputed) {
  FakeOptions options = Forgetful();
  options.dataset_sha256 = std::string(64, 'a');
  options.models.back().set_digest(std::string(64, '9'));
  FakeServer other(options);
  const Outcome outcome = ReproduceOn(other);
  EXPECT_EQ(outcome.code, 1);
  for (const char digit : {'a', 'd', '9', 'c'}) {
    EXPECT_THAT(outcome.err, HasSubstr(std::string(64, digit)));
  }
  EXPECT_THAT(other.log().evaluations, IsEmpty());
}

TEST_F(ReproduceTest, AServerThatHasItWouldComputeNothing) {
  FakeServer other;
  const Outcome outcome = ReproduceOn(other);
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("has finished this evaluation already"));
  EXPECT_THAT(outcome.err, HasSubstr("--other-server=" + other.address()));
  EXPECT_THAT(other.log().evaluations, IsEmpty());
}

TEST_F(ReproduceTest, OneServerComputesIt) {
  EXPECT_EQ(
      Run({"--local", "evaluations", "reproduce", "a01111", "--on=localhost:1"})
          .code,
      2);
}

}  // namespace
}  // namespace adv
