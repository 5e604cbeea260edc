// The real program against the fake server: values that are empty, that have
// blanks, that are there twice.
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/cli_fixture.h"

namespace adv {
namespace {

using testing::Process;
using ::testing::StartsWith;

TEST_F(CliTest, AnEmptyValueIsNeverADefault) {
  const std::vector<std::vector<std::string>> commands = {
      {"models", "list", "--server"},
      {"models", "list", "--timeout"},
      {"models", "list", "--output"},
      {"models", "list", "--balance"},
      {"models", "list", "--local", "--store"},
      {"models", "list", "--local", "--dataset"},
      {"evaluations", "list", "--model"},
      {"evaluate", "--model"},
      {"evaluate", "--model=a", "--attack"},
      {"evaluate", "--model=a", "--norm"},
      {"evaluate", "--model=a", "--epsilon"},
      {"evaluate", "--model=a", "--goal"},
      {"evaluate", "--model=a", "--dataset"},
      {"evaluate", "--model=a", "--samples"},
      {"evaluate", "--model=a", "--seed"},
      {"evaluate", "--model=a", "--source-model"},
      {"evaluate", "--model=a", "--success"},
      {"evaluate", "--model=a", "--step-size"},
      {"evaluate", "--model=a", "--compare"},
      {"evaluate", "--model=a", "--save"},
      {"transfer", "--targets=a", "--sources"},
      {"transfer", "--targets=a", "--sources=a", "--measure"},
      {"classify", "a.png", "--model"},
      {"classify", "a.png", "--top-k"},
      {"attack", "a.png", "--out"},
      {"attack", "a.png", "--out=b.png", "--compare"},
      {"attack", "a.png", "--out=b.png", "--label"},
      {"attack", "a.png", "--out=b.png", "--target"},
  };
  for (const std::vector<std::string>& command : commands) {
    const std::string& flag = command.back();
    std::vector<std::string> word = command, sign = command;
    word.insert(word.end(), {"", "--no-color"});
    sign.back() += "=";
    sign.push_back("--no-color");
    for (const auto& arguments : {word, sign}) {
      const Outcome outcome = Run(arguments);
      EXPECT_EQ(outcome.code, 2) << flag;
      EXPECT_THAT(outcome.err,
                  StartsWith("advctl: " + flag + ": its value is empty"));
    }
  }
  EXPECT_EQ(Run({"classify", ""}).code, 2);
  EXPECT_EQ(Run({"evaluations", "show", ""}).code, 2);
  EXPECT_TRUE(server_->log().evaluations.empty());
  EXPECT_TRUE(server_->log().classifications.empty());
}

TEST_F(CliTest, NoMemberOfAListIsEmpty) {
  for (const auto& [arguments, flag] :
       std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{"evaluate", "--model=a,,b"}, "--model"},
           {{"evaluate", "--model=a", "--attack=fgsm, "}, "--attack"},
           {{"evaluate", "--model=a", "--epsilon=0.1,,0.2"}, "--epsilon"},
           {{"evaluate", "--model=a", "--epsilon= "}, "--epsilon"},
           {{"transfer", "--sources=,a", "--targets=b"}, "--sources"},
           {{"transfer", "--sources=a", "--targets=b, ,c"}, "--targets"}}) {
    const Outcome outcome = Run(arguments);
    EXPECT_EQ(outcome.code, 2) << flag;
    EXPECT_THAT(outcome.err, StartsWith("advctl: " + flag + ": '"));
  }
  Process process({Advctl(), "--server=a,,b", "models", "list"});
  EXPECT_EQ(process.Wait(), 2);
  EXPECT_THAT(process.err(), StartsWith("advctl: --server: ''"));
  EXPECT_TRUE(server_->log().evaluations.empty());
}

TEST_F(CliTest, BlanksAroundCommasDoNotMatter) {
  const Outcome outcome =
      Run({"evaluate", "--model", "no-cat, balanced", "--attack",
           "fgsm , pgd:steps=3,\tauto-attack:members=apgd + square",
           "--epsilon", " 0.01, 0 : 2/255 : 1/255"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto asked = server_->log().evaluations;
  ASSERT_EQ(asked.size(), 2u);
  EXPECT_EQ(asked[1].spec().model(), "balanced");
  EXPECT_EQ(asked[0].spec().attacks_size(), 3);
  EXPECT_EQ(asked[0].spec().epsilons_size(), 4);
  EXPECT_EQ(Run({"transfer", "--sources", "no-cat ,balanced", "--targets",
                 " no-cat", "--attack", " fgsm "})
                .code,
            0);
  Process process(
      {Advctl(), "--server", " " + server_->address() + " ", "models", "list"});
  EXPECT_EQ(process.Wait(), 0) << process.err();
}

TEST_F(CliTest, WhatIsThereTwiceIsMeasuredOnce) {
  const Outcome twice =
      Run({"evaluate", "--model=no-cat,balanced,no-cat,balanced@1",
           "--attack=bim,fgsm,igsm,BIM:step-size=1/255", "--epsilon",
           "2/255,0.00784313725490196,0:2/255:1/255"});
  ASSERT_EQ(twice.code, 0) << twice.err;
  const auto asked = server_->log().evaluations;
  ASSERT_GE(asked.size(), 2u);
  EXPECT_EQ(asked[0].spec().attacks_size(), 2);
  EXPECT_EQ(asked[0].spec().epsilons_size(), 3);
  const Outcome once =
      Run({"evaluate", "--model=no-cat,balanced", "--attack=bim,fgsm",
           "--epsilon", "2/255,0/255,1/255"});
  EXPECT_EQ(twice.out, once.out);
  const std::vector<std::string> alone = {"evaluate", "--model=no-cat",
                                          "--no-compare"};
  EXPECT_EQ(Run({"evaluate", "--model=no-cat", "--compare=no-cat@1"}).out,
            Run(alone).out);
  EXPECT_EQ(Run({"transfer", "--sources=no-cat,no-cat", "--targets=all,all",
                 "--attack=fgsm,fgsm", "--epsilon=0.01,0.01"})
                .out,
            Run({"transfer", "--sources=no-cat", "--targets=all"}).out);
}

}  // namespace
}  // namespace adv
