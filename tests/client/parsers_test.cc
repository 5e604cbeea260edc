// What is typed: epsilons, goals, attacks, and the plan they make.
#include <string>
#include <vector>

#include "client/attack_flags.h"
#include "client/channel.h"
#include "client/epsilon.h"
#include "client/errors.h"
#include "client/evaluation_plan.h"
#include "client/goal.h"
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

std::string Error(const std::string& list) {
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

TEST(EpsilonTest, SuggestsLevelsForABareNumberAboveOne) {
  EXPECT_THAT(Error("2"), HasSubstr("write 2/255"));
  EXPECT_THAT(Error("300"), Not(HasSubstr("300/255")));
}

TEST(EpsilonTest, SaysWhatIsAllowed) {
  EXPECT_THAT(Error("-0.1"), HasSubstr("allowed are 0 to 1"));
  EXPECT_THAT(Error("256/255"), HasSubstr("0/255 to 255/255"));
  EXPECT_THAT(Error("-1/255"), HasSubstr("0/255 to 255/255"));
  EXPECT_THAT(Error("1/8"), HasSubstr("N/255"));
  EXPECT_THAT(Error("x"), HasSubstr("8/255"));
  EXPECT_THAT(Error(""), HasSubstr("8/255"));
  EXPECT_THAT(Error("0.1,"), HasSubstr("'' is not a size"));
  EXPECT_THAT(Error("nan"), HasSubstr("is not a size"));
  EXPECT_THAT(Error("inf"), HasSubstr("is not a size"));
  EXPECT_THAT(Error("0.1x"), HasSubstr("'0.1x'"));
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
  EXPECT_THAT(Error("0:1"), HasSubstr("START:LAST:STEP"));
  EXPECT_THAT(Error("0:0.1:1/255"), HasSubstr("mixes"));
  EXPECT_THAT(Error("0:8/255:0"), HasSubstr("step above 0"));
  EXPECT_THAT(Error("0:0.1:0"), HasSubstr("step above 0"));
  EXPECT_THAT(Error("8/255:1/255:1/255"), HasSubstr("ends before"));
  EXPECT_THAT(Error("0:1:0.00001"), HasSubstr("more than 1000 values"));
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

EvaluateFlags FlagsFor(std::vector<std::string> models) {
  EvaluateFlags flags;
  flags.models = std::move(models);
  return flags;
}

TEST(PlanTest, TheShortQuestionIsTwoEvaluationsBesideBalanced) {
  const auto plan = PlanEvaluations(FlagsFor({"no-cat"}));
  ASSERT_TRUE(plan.ok());
  ASSERT_EQ(plan->specs.size(), 2u);
  EXPECT_TRUE(plan->specs[0].attacks(0).has_fgsm());
  EXPECT_EQ(plan->specs[0].epsilons(0).pixels(), .01);
  EXPECT_TRUE(plan->specs[1].attacks(0).has_igsm());
  EXPECT_EQ(plan->specs[1].epsilons(0).levels(), 2);
  EXPECT_EQ(plan->compare, "balanced");
  EXPECT_FALSE(plan->compare_required);
}

TEST(PlanTest, ComparesOnlyWhereItMakesSense) {
  EXPECT_EQ(PlanEvaluations(FlagsFor({"balanced"}))->compare, "");
  EXPECT_EQ(PlanEvaluations(FlagsFor({"balanced@2"}))->compare, "");
  EXPECT_EQ(PlanEvaluations(FlagsFor({"a", "b"}))->compare, "");
  EvaluateFlags flags = FlagsFor({"no-cat"});
  flags.no_compare = true;
  EXPECT_EQ(PlanEvaluations(flags)->compare, "");
  flags.compare = "other";
  EXPECT_THAT(std::string(PlanEvaluations(flags).status().message()),
              HasSubstr("--compare and --no-compare"));
  flags.no_compare = false;
  flags.epsilons = "0.01";
  EXPECT_EQ(PlanEvaluations(flags)->compare, "other");
  EXPECT_TRUE(PlanEvaluations(flags)->compare_required);
  flags.compare = "";
  EXPECT_EQ(PlanEvaluations(flags)->compare, "");
}

TEST(PlanTest, GivenEpsilonsCrossAllAttacksInOneSpecification) {
  EvaluateFlags flags = FlagsFor({"no-cat"});
  flags.epsilons = "0:8/255:1/255";
  const auto plan = PlanEvaluations(flags);
  ASSERT_TRUE(plan.ok());
  ASSERT_EQ(plan->specs.size(), 1u);
  EXPECT_EQ(plan->specs[0].attacks_size(), 2);
  EXPECT_EQ(plan->specs[0].epsilons_size(), 9);
}

TEST(PlanTest, TheNormDecidesTheDefaultEpsilon) {
  EvaluateFlags flags = FlagsFor({"no-cat"});
  flags.attacks = {"pgd", "carlini-wagner"};
  auto plan = PlanEvaluations(flags);
  ASSERT_TRUE(plan.ok()) << plan.status();
  // The norm is left to the server.
  EXPECT_EQ(plan->specs[0].norm(), v1::NORM_UNSPECIFIED);
  EXPECT_EQ(plan->specs[0].epsilons(0).levels(), 2);
  EXPECT_EQ(plan->specs[1].epsilons(0).pixels(), .5);
  flags.norm = "l2";
  flags.epsilons = "0.5,3";
  flags.step_size = "2";
  plan = PlanEvaluations(flags);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->specs[0].norm(), v1::NORM_L2);
  EXPECT_EQ(plan->specs[0].epsilons(1).pixels(), 3);
  EXPECT_EQ(plan->specs[0].attacks(0).pgd().step_size().pixels(), 2);
}

TEST(PlanTest, NormsThatDoNotGoTogetherAreRefused) {
  const auto error = [](const std::string& norm, const std::string& epsilons,
                        std::vector<std::string> attacks) {
    EvaluateFlags flags = FlagsFor({"no-cat"});
    flags.norm = norm;
    flags.epsilons = epsilons;
    flags.attacks = std::move(attacks);
    return std::string(PlanEvaluations(flags).status().message());
  };
  EXPECT_EQ(error("l1", "", {"fgsm"}),
            "--norm: 'l1' is not a norm; allowed are linf and l2");
  EXPECT_EQ(error("l2", "", {"fgsm"}),
            "--norm: fgsm does not have l2; it has linf");
  EXPECT_EQ(error("linf", "", {"boundary"}),
            "--norm: boundary does not have linf; it has l2");
  EXPECT_THAT(error("", "0.1", {"fgsm", "boundary"}),
              HasSubstr("no norm is one of all attacks: boundary"));
  EXPECT_EQ(error("", "", {"fgsm", "boundary"}), "");  // one by one
  EXPECT_THAT(error("", "", {"auto-attack:members=fgsm+boundary"}),
              HasSubstr("no norm is one of all attacks"));
  // 2 is a size in L2 alone.
  EXPECT_THAT(error("", "2", {"pgd"}), HasSubstr("write 2/255"));
  EXPECT_EQ(error("", "2", {"boundary"}), "");
}

TEST(PlanTest, ErrorsBeginWithTheFlag) {
  const auto error = [](const EvaluateFlags& flags) {
    return std::string(PlanEvaluations(flags).status().message());
  };
  EvaluateFlags flags = FlagsFor({"no-cat"});
  flags.epsilons = "2";
  EXPECT_THAT(error(flags), ::testing::StartsWith("--epsilon: "));
  flags = FlagsFor({"no-cat"});
  flags.attacks = {"nothing"};
  EXPECT_THAT(error(flags), ::testing::StartsWith("--attack: "));
  flags.attacks = {};
  flags.goal = "win";
  EXPECT_THAT(error(flags), ::testing::StartsWith("--goal: "));
  flags.goal = "";
  flags.success = "first";
  EXPECT_THAT(error(flags), HasSubstr("allowed are last and any"));
  flags.success = "";
  flags.step_size = "9";
  EXPECT_THAT(error(flags), ::testing::StartsWith("--step-size: "));
  flags.step_size = "";
  flags.thesis_mode = true;
  EXPECT_THAT(error(flags), ::testing::StartsWith("--thesis-mode: "));
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
