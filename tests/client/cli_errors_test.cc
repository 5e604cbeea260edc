// The real program against the fake server: what is wrong, and help.
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/cli_fixture.h"

namespace adv {
namespace {

using testing::FakeOptions;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Process;
using ::testing::StartsWith;

TEST_F(CliTest, UsageErrorsSendNothing) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> wrong = {
      {{}, "advctl --help"},
      {{"models"}, "advctl models --help"},
      {{"models", "foo"}, "there is no command 'advctl models foo'"},
      {{"evaluate"}, "--model is required"},
      {{"evaluate", "--model=a", "--epsilon=2"}, "2/255"},
      {{"evaluate", "--model=a", "--goal=win"}, "--goal: 'win'"},
      {{"evaluate", "--model=a", "--samples=-1"}, "--samples"},
      {{"evaluate", "--model=a", "--seed", "-1"},
       "--seed: '-1' is not allowed; allowed are whole numbers from 0 to "
       "18446744073709551615\n"},
      {{"evaluate", "--model=a", "--tile-size=0"},
       "--tile-size: '0' is not allowed; allowed are whole numbers from 1 to "
       "1024\n"},
      {{"evaluate", "--model=a", "--steps=0"}, "from 1 to 10000"},
      {{"evaluations", "list", "--limit=0"}, "whole numbers from 1 to"},
      {{"evaluate", "--model=a", "--attack=pgd:steps=x:restarts=y,fgms",
        "--epsilon=z,0.1,-1", "--step-size=-1"},
       "advctl: --attack: steps of pgd: 'x' is not a count; allowed are whole "
       "numbers, 1 to 10000, at most the server's --max-steps\n"
       "  --attack: restarts of pgd: 'y' is not a count; allowed are whole "
       "numbers, 1 to 100\n"
       "  --attack: 'fgms' is not an attack; known are"},
      {{"evaluate", "--model=a", "--attack=fgms", "--epsilon=z,0.1,-1"},
       "\n  --epsilon: 'z' is not a size; write pixel units as 0.5 or grey "
       "levels as 128/255\n  --epsilon: '-1' is negative"},
      {{"evaluate", "--model=a", "--attack=fgms", "--step-size=-1"},
       "\n  --step-size: '-1' is not the size of a step"},
      {{"attack", "a.png", "--out=b.png", "--attack=pgd:steps=x",
        "--step-size=0", "--epsilon=y"},
       "\n  --step-size: '0' is not the size of a step; it must be above 0\n"
       "  --epsilon: 'y' is not a size"},
      {{"evaluate", "--model=a", "--attack=fgsm", "--steps=3"}, "--steps"},
      {{"models", "list", "--output=xml"}, "--output"},
      {{"models", "list", "--timeout=0"}, "--timeout: '0' is not a time"},
      {{"models", "list", "--timeout=inf"}, "up to 31536000, a year"},
      {{"models", "list", "--timeout=nan"}, "up to 31536000, a year"},
      {{"models", "list", "--timeout=1e300"}, "up to 31536000, a year"},
      {{"models", "list", "--timeout=31536001"}, "up to 31536000, a year"},
      {{"--server=::1", "models", "list"}, "'::1' is not an address; an IPv6"},
      {{"models", "list", "--balance=random"}, "--balance"},
      {{"models", "list", "--store=/x"}, "add --local"},
      {{"completion", "tcsh"}, "SHELL"},
      {{"attack", "a.png", "--out=b.png", "--epsilon=256/255"}, "0/255 to"},
      {{"--server=host:x", "models", "list"}, "--server: 'host:x'"},
  };
  for (const auto& [arguments, message] : wrong) {
    std::vector<std::string> command = {Advctl()};
    command.insert(command.end(), arguments.begin(), arguments.end());
    Process process(command, {{"ADVCTL_SERVER", server_->address()}});
    EXPECT_EQ(process.Wait(), 2) << message;
    EXPECT_THAT(process.err(), StartsWith("advctl: "));
    EXPECT_THAT(process.err(), HasSubstr(message));
    EXPECT_EQ(process.out(), "");
  }
  EXPECT_TRUE(server_->log().evaluations.empty());
  EXPECT_TRUE(server_->log().attacks.empty());
}

TEST_F(CliTest, EveryCommandExplainsItself) {
  for (const std::vector<std::string>& command :
       std::vector<std::vector<std::string>>{{},
                                             {"evaluate"},
                                             {"evaluations", "list"},
                                             {"evaluations", "show"},
                                             {"evaluations", "records"},
                                             {"evaluations", "cancel"},
                                             {"evaluations", "delete"},
                                             {"classify"},
                                             {"attack"},
                                             {"models", "list"},
                                             {"models", "show"},
                                             {"models", "table"},
                                             {"models", "reload"},
                                             {"attacks", "list"},
                                             {"attacks", "show"},
                                             {"transfer"},
                                             {"server", "info"},
                                             {"context", "add"},
                                             {"context", "use"},
                                             {"context", "list"},
                                             {"context", "show"},
                                             {"context", "remove"}}) {
    std::vector<std::string> arguments = command;
    arguments.push_back("--help");
    const Outcome outcome = Run(arguments);
    EXPECT_EQ(outcome.code, 0);
    EXPECT_THAT(outcome.out, HasSubstr("Usage: advctl"));
    EXPECT_THAT(outcome.out, HasSubstr("Example")) << outcome.out;
  }
}

TEST_F(CliTest, HelpSaysWhatStandsBesideAModel) {
  EXPECT_THAT(Run({"evaluate", "--help"}).out, HasSubstr("unless --attack,"));
}

TEST_F(CliTest, GroupsHaveExamplesOfTheirOwn) {
  for (const std::string group :
       {"attacks", "models", "evaluations", "server", "context"}) {
    const Outcome outcome = Run({group, "--help"});
    EXPECT_EQ(outcome.code, 0);
    EXPECT_THAT(outcome.out, HasSubstr("\n  advctl " + group + " "));
    EXPECT_THAT(outcome.out, Not(HasSubstr("measure a model's robustness")));
  }
}

TEST_F(CliTest, RefusalsNameTheFlags) {
  FakeOptions options;
  options.fail = testing::BadRequest(
      {{"spec.epsilons[1].levels", "300 is outside 0 to 255"},
       {"spec.dataset", "unknown"}});
  StartServer(options);
  const Outcome outcome =
      Run({"evaluate", "--model=no-cat", "--epsilon=0.01,0.02"});
  EXPECT_EQ(outcome.code, 4);
  EXPECT_THAT(outcome.err, HasSubstr("INVALID_ARGUMENT"));
  EXPECT_THAT(outcome.err, HasSubstr("--epsilon (value 2): 300 is outside"));
  EXPECT_THAT(outcome.err, HasSubstr("--dataset: unknown"));
}

TEST_F(CliTest, AnImportFailsAsItsProgramDoes) {
  std::ofstream(Path("advtrain")) << "#!/bin/sh\nexit 4\n";
  std::filesystem::permissions(Path("advtrain"),
                               std::filesystem::perms::owner_all);
  std::vector<std::string> command = {
      Advctl(),         "models",        "import",         "a.pt",
      "--store=models", "--shape=3x8x8", "--classes=names"};
  const testing::Environment environment = {
      {"ADVCTL_ADVTRAIN", Path("advtrain")}};
  Process passed_on(command, environment);
  EXPECT_EQ(passed_on.Wait(), 4);
  // The kernel then keeps no status of a program that ended.
  command.insert(command.begin(), {"/usr/bin/env", "--ignore-signal=CHLD"});
  Process not_known(command, environment);
  EXPECT_EQ(not_known.Wait(), 1);
  EXPECT_THAT(not_known.err(), HasSubstr("cannot tell how advtrain ended"));
}

TEST_F(CliTest, OtherFailuresHaveTheirOwnExitCodes) {
  for (const auto& [status, code] :
       std::vector<std::pair<grpc::StatusCode, int>>{
           {grpc::StatusCode::NOT_FOUND, 4},
           {grpc::StatusCode::FAILED_PRECONDITION, 4},
           {grpc::StatusCode::UNIMPLEMENTED, 4},
           {grpc::StatusCode::INTERNAL, 1},
           {grpc::StatusCode::DATA_LOSS, 1}}) {
    FakeOptions options;
    options.fail = grpc::Status(status, "because");
    StartServer(options);
    const Outcome outcome = Run({"models", "list"});
    EXPECT_EQ(outcome.code, code);
    EXPECT_THAT(outcome.err, HasSubstr("because"));
  }
}

}  // namespace
}  // namespace adv
