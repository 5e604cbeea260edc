// What is typed: epsilons, goals and addresses, and what is said of errors.
#include <string>
#include <vector>

#include "client/attacks/epsilon.h"
#include "client/attacks/goal.h"
#include "client/session/channel.h"
#include "client/session/errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/client/fake_server.h"

namespace adv {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::vector<std::string> Texts(const std::string& list) {
  const auto epsilons = ParseEpsilons(list);
  EXPECT_TRUE(epsilons.ok()) << epsilons.status();
  std::vector<std::string> texts;
  if (!epsilons.ok()) return texts;
  for (const auto& epsilon : *epsilons) texts.push_back(EpsilonText(epsilon));
  return texts;
}

std::string ErrorFor(const std::string& list) {
  return std::string(ParseEpsilons(list).status().message());
}

TEST(EpsilonTest, KeepsItsUnit) {
  EXPECT_EQ(ParseEpsilon("8/255")->levels(), 8);
  EXPECT_EQ(ParseEpsilon("2.5/255")->levels(), 2.5);
  EXPECT_EQ(ParseEpsilon("0.031")->pixels(), 0.031);
  EXPECT_EQ(ParseEpsilon(".01")->pixels(), .01);
  EXPECT_TRUE(ParseEpsilon("0")->has_pixels());
  EXPECT_EQ(ParseEpsilon("1")->pixels(), 1);
  EXPECT_DOUBLE_EQ(Pixels(*ParseEpsilon("51/255")), .2);
}

TEST(EpsilonTest, IsShownAsPeopleWriteIt) {
  const auto shown = [](double pixels) {
    v1::Epsilon epsilon;
    epsilon.set_pixels(pixels);
    return EpsilonText(epsilon);
  };
  EXPECT_EQ(shown(2 / 255.0), "2/255");
  EXPECT_EQ(shown(2.5 / 255), "2.5/255");
  EXPECT_EQ(shown(.2), "0.2");
  EXPECT_EQ(shown(.01), "0.01");
  EXPECT_EQ(shown(0), "0");
  EXPECT_EQ(shown(.123456789), "0.123457");
}

TEST(EpsilonTest, ReadsListsAndRanges) {
  EXPECT_THAT(Texts("0.01,2/255"), ElementsAre("0.01", "2/255"));
  EXPECT_THAT(Texts("0:4/255:1/255"),
              ElementsAre("0/255", "1/255", "2/255", "3/255", "4/255"));
  EXPECT_THAT(Texts("0:0.3:0.1"), ElementsAre("0", "0.1", "0.2", "0.3"));
  EXPECT_THAT(Texts("1/255:4/255:2/255,0.5"),
              ElementsAre("1/255", "3/255", "0.5"));
  EXPECT_EQ((*ParseEpsilons("0:0.3:0.1"))[3].pixels(), 0.3);
}

TEST(EpsilonTest, OneSizeIsThereOnce) {
  EXPECT_THAT(Texts("2/255,0.00784313725490196,0.01,2.0/255,.01"),
              ElementsAre("2/255", "0.01"));
  EXPECT_THAT(Texts("1/255,0:2/255:1/255,0"),
              ElementsAre("1/255", "0/255", "2/255"));
  // Shown alike, but not one.
  EXPECT_EQ(Texts("0.1234567,0.12345678").size(), 2u);
  EXPECT_EQ((*ParseEpsilons("0.00784313725490196,2/255"))[0].levels(), 0);
}

TEST(EpsilonTest, BlanksDoNotMatter) {
  EXPECT_THAT(Texts(" 0.01 ,\t2/255, 0 : 2/255 : 1/255"),
              ElementsAre("0.01", "2/255", "0/255", "1/255"));
  EXPECT_THAT(ErrorFor("0.1, ,0.2"), HasSubstr("'' is not a size"));
}

TEST(EpsilonTest, SuggestsLevelsForABareNumberAboveOne) {
  EXPECT_THAT(ErrorFor("2"), HasSubstr("write 2/255"));
  EXPECT_THAT(ErrorFor("300"), Not(HasSubstr("300/255")));
}

TEST(EpsilonTest, SaysWhatIsAllowed) {
  EXPECT_THAT(ErrorFor("-0.1"), HasSubstr("allowed are 0 to 1"));
  EXPECT_THAT(ErrorFor("256/255"), HasSubstr("0/255 to 255/255"));
  EXPECT_THAT(ErrorFor("-1/255"), HasSubstr("0/255 to 255/255"));
  EXPECT_THAT(ErrorFor("1/8"), HasSubstr("N/255"));
  EXPECT_THAT(ErrorFor("x"), HasSubstr("8/255"));
  EXPECT_THAT(ErrorFor(""), HasSubstr("8/255"));
  EXPECT_THAT(ErrorFor("0.1,"), HasSubstr("'' is not a size"));
  EXPECT_THAT(ErrorFor("nan"), HasSubstr("is not a size"));
  EXPECT_THAT(ErrorFor("inf"), HasSubstr("is not a size"));
  EXPECT_THAT(ErrorFor("0.1x"), HasSubstr("'0.1x'"));
}

TEST(EpsilonTest, InL2ASizeIsOfTheWholeImage) {
  EXPECT_EQ(ParseEpsilon("2", v1::NORM_L2)->pixels(), 2);
  EXPECT_EQ(ParseEpsilon("300/255", v1::NORM_L2)->levels(), 300);
  EXPECT_EQ((*ParseEpsilons("0:2:0.5", v1::NORM_L2))[4].pixels(), 2);
  const auto error = [](const char* text) {
    return std::string(ParseEpsilon(text, v1::NORM_L2).status().message());
  };
  EXPECT_THAT(error("-1"), HasSubstr("allowed are 0 or more"));
  EXPECT_THAT(error("-1/255"), HasSubstr("allowed are 0 or more"));
  EXPECT_THAT(error("x"), HasSubstr("pixel units as 0.5"));
  EXPECT_THAT(error("inf"), HasSubstr("is not a size"));
}

TEST(EpsilonTest, RefusesRangesThatMakeNoSense) {
  EXPECT_THAT(ErrorFor("0:1"), HasSubstr("START:LAST:STEP"));
  EXPECT_THAT(ErrorFor("0:0.1:1/255"), HasSubstr("mixes"));
  EXPECT_THAT(ErrorFor("0:8/255:0"), HasSubstr("step above 0"));
  EXPECT_THAT(ErrorFor("0:0.1:0"), HasSubstr("step above 0"));
  EXPECT_THAT(ErrorFor("8/255:1/255:1/255"), HasSubstr("ends before"));
  EXPECT_THAT(ErrorFor("0:1:0.00001"), HasSubstr("more than 1000 values"));
}

ClassNames Names() {
  const auto& names = testing::ClassNames();
  return {names.begin(), names.end()};
}

TEST(GoalTest, ReadsAllKinds) {
  EXPECT_EQ(ParseGoal("untargeted")->rule, v1::TARGET_RULE_UNSPECIFIED);
  EXPECT_EQ(ParseGoal("least-likely")->rule, v1::TARGET_RULE_LEAST_LIKELY);
  EXPECT_EQ(ParseGoal("next")->rule, v1::TARGET_RULE_NEXT);
  EXPECT_EQ(ParseGoal("random")->rule, v1::TARGET_RULE_RANDOM);
  EXPECT_EQ(ParseGoal("targeted:dog")->target_class, "dog");
  EXPECT_THAT(std::string(ParseGoal("targeted:").status().message()),
              HasSubstr("targeted:CLASS"));
  EXPECT_THAT(std::string(ParseGoal("dog").status().message()),
              HasSubstr("untargeted, targeted:CLASS, least-likely, next"));
}

TEST(GoalTest, FindsClassesByNameAndIndex) {
  EXPECT_EQ(*FindClass("Cat", Names()), 3);
  EXPECT_EQ(*FindClass("9", Names()), 9);
  for (const char* wrong : {"10", "-1", "lion", "", "3x"}) {
    const auto found = FindClass(wrong, Names());
    ASSERT_FALSE(found.ok()) << wrong;
    EXPECT_THAT(std::string(found.status().message()),
                HasSubstr("airplane, automobile"));
    EXPECT_THAT(std::string(found.status().message()), HasSubstr("0 to 9"));
  }
}

TEST(GoalTest, NamesRoundTrip) {
  for (const char* text :
       {"untargeted", "targeted:dog", "least-likely", "next", "random"}) {
    const auto goal = ResolveGoal(*ParseGoal(text), Names());
    ASSERT_TRUE(goal.ok());
    EXPECT_EQ(GoalName(*goal, Names()), text);
  }
}

TEST(ErrorsTest, FieldsBecomeFlags) {
  EXPECT_EQ(FlagOf("spec.epsilons[0].pixels"), "--epsilon (value 1)");
  EXPECT_EQ(FlagOf("epsilon.levels"), "--epsilon");
  EXPECT_EQ(FlagOf("spec.norm"), "--norm");
  EXPECT_EQ(FlagOf("spec.attacks[1].igsm.steps"), "--attack (value 2), steps");
  EXPECT_EQ(FlagOf("spec.attacks[1].pgd.step_size.levels"),
            "--attack (value 2), step-size");
  EXPECT_EQ(FlagOf("attack.carlini_wagner.binary_search_steps"),
            "--attack, binary-search-steps");
  EXPECT_EQ(FlagOf("spec.attacks[0].auto_attack.members[3].square.queries"),
            "--attack (value 1), queries");
  EXPECT_EQ(FlagOf("spec.attacks[0].auto_attack.members"),
            "--attack (value 1), members");
  EXPECT_EQ(FlagOf("spec.attacks[1].kind"), "--attack (value 2)");
  EXPECT_EQ(FlagOf("spec.goal.targeted.target_class"), "--goal");
  EXPECT_EQ(FlagOf("goal.targeted.target_class"), "--target");
  EXPECT_EQ(FlagOf("spec.source_model"), "--source-model");
  EXPECT_EQ(FlagOf("spec.model"), "--model");
  EXPECT_EQ(FlagOf("images.shape"), "IMAGE");
  EXPECT_EQ(FlagOf("nonsense"), "");
}

TEST(ErrorsTest, AllViolationsAreTold) {
  const std::string text = Explain(
      testing::BadRequest({{"spec.epsilons[0].pixels", "1.5 is outside 0 to 1"},
                           {"spec.samples", "too many"}}));
  EXPECT_THAT(text, HasSubstr("--epsilon (value 1): 1.5 is outside 0 to 1"));
  EXPECT_THAT(text, HasSubstr("--samples: too many"));
  EXPECT_THAT(text, HasSubstr("[spec.epsilons[0].pixels]"));
}

TEST(ErrorsTest, NamesOfTheProtocolBecomeWhatIsTyped) {
  const auto told = [](const std::string& message) {
    const std::string text =
        Explain(testing::BadRequest({{"nonsense", message}}));
    return text.substr(text.find("nonsense: ") + 10);
  };
  EXPECT_EQ(told("is SUCCESS_RULE_ANY_ITERATE; must be "
                 "SUCCESS_RULE_LAST_ITERATE with a source_model of its own"),
            "is any; must be last with a --source-model of its own");
  EXPECT_EQ(told("is targeted, which iterative_least_likely cannot be"),
            "is targeted, which iterative-least-likely cannot be");
  EXPECT_EQ(told("boundary has NORM_L2 alone, fgsm NORM_LINF"),
            "boundary has l2 alone, fgsm linf");
  EXPECT_EQ(told("must be false with thesis_mode"),
            "must be false with thesis-mode");
  EXPECT_EQ(told("APGD_LOSS_TARGETED_DLR, NOISE_KIND_GAUSSIAN"),
            "targeted-dlr, gaussian");
  EXPECT_THAT(Explain({grpc::StatusCode::NOT_FOUND, "no auto_attack"}),
              HasSubstr("no auto-attack"));
}

TEST(ErrorsTest, ExitCodes) {
  EXPECT_EQ(ExitCodeOf(grpc::StatusCode::OK), kOk);
  EXPECT_EQ(ExitCodeOf(grpc::StatusCode::UNAVAILABLE), kUnreachable);
  EXPECT_EQ(ExitCodeOf(grpc::StatusCode::INVALID_ARGUMENT), kRefused);
  EXPECT_EQ(ExitCodeOf(grpc::StatusCode::NOT_FOUND), kRefused);
  EXPECT_EQ(ExitCodeOf(grpc::StatusCode::FAILED_PRECONDITION), kRefused);
  EXPECT_EQ(ExitCodeOf(grpc::StatusCode::UNIMPLEMENTED), kRefused);
  EXPECT_EQ(ExitCodeOf(grpc::StatusCode::INTERNAL), kFailed);
  EXPECT_EQ(ExitCodeOf(grpc::StatusCode::DEADLINE_EXCEEDED), kFailed);
}

TEST(ChannelTest, Targets) {
  EXPECT_EQ(*TargetOf("localhost:50051"), "dns:///localhost:50051");
  EXPECT_EQ(*TargetOf("gpu-1"), "dns:///gpu-1:50051");
  EXPECT_EQ(*TargetOf("[::1]:7"), "dns:///[::1]:7");
  EXPECT_EQ(*TargetOf("unix:/run/adv.sock"), "unix:/run/adv.sock");
  EXPECT_EQ(*TargetOf("127.0.0.1:1,127.0.0.2:2"),
            "ipv4:127.0.0.1:1,127.0.0.2:2");
  EXPECT_EQ(*TargetOf(" 127.0.0.1:1 , 127.0.0.2:2"),
            "ipv4:127.0.0.1:1,127.0.0.2:2");
  for (const char* wrong : {"", "host:", "host:x", "host:0", "host:65536",
                            ":50051", "a,,b", "http://host:1"}) {
    const auto target = TargetOf(wrong);
    EXPECT_TRUE(absl::IsInvalidArgument(target.status())) << wrong;
  }
}

TEST(ChannelTest, AnIpv6AddressStandsInBrackets) {
  for (const char* wrong :
       {"::1", "::", "fe80::1", "2001:db8::17:50051", "::1,gpu-1", "[::1"}) {
    const auto target = TargetOf(wrong);
    EXPECT_TRUE(absl::IsInvalidArgument(target.status())) << wrong;
    EXPECT_THAT(std::string(target.status().message()),
                HasSubstr("an IPv6 address stands in brackets"));
  }
  EXPECT_THAT(std::string(TargetOf("http://host:1").status().message()),
              Not(HasSubstr("IPv6")));
  EXPECT_THAT(std::string(TargetOf("127.0.0.1,[::1]:7").status().message()),
              HasSubstr("ipv6:[::1]:50051,[::1]:50052"));
}

TEST(ChannelTest, RetriesWhatMayBeRepeatedAndNothingElse) {
  const auto config = nlohmann::json::parse(ServiceConfig(""));
  EXPECT_FALSE(config.contains("loadBalancingConfig"));
  const auto& method = config["methodConfig"][0];
  EXPECT_THAT(method["retryPolicy"]["retryableStatusCodes"],
              ElementsAre("UNAVAILABLE", "RESOURCE_EXHAUSTED"));
  EXPECT_THAT(method["name"].dump(), HasSubstr("EvaluateRobustness"));
  EXPECT_THAT(method["name"].dump(), Not(HasSubstr("DeleteEvaluation")));
}

TEST(ChannelTest, BalancingBringsHealthChecks) {
  const auto config = nlohmann::json::parse(ServiceConfig("round_robin"));
  EXPECT_TRUE(config["loadBalancingConfig"][0].contains("round_robin"));
  EXPECT_EQ(config["healthCheckConfig"]["serviceName"],
            "adv.v1.AttackEvaluationService");
}

}  // namespace
}  // namespace adv
