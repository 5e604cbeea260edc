// The evaluations that a command line plans.
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/attacks/attack_parameters.h"
#include "client/attacks/epsilon.h"
#include "client/evaluations/evaluation_plan.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace adv {
namespace {

using ::testing::HasSubstr;

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

// As the help of --compare says.
TEST(PlanTest, OnlySomeFlagsMakeAnotherQuestion) {
  const auto compare = [](void (*choose)(EvaluateFlags*)) {
    EvaluateFlags flags = FlagsFor({"no-cat"});
    choose(&flags);
    const auto plan = PlanEvaluations(flags);
    return plan.ok() ? plan->compare : std::string(plan.status().message());
  };
  using Flags = EvaluateFlags;
  EXPECT_EQ(compare([](Flags* flags) { flags->attacks = {"pgd"}; }), "");
  EXPECT_EQ(compare([](Flags* flags) { flags->norm = "linf"; }), "");
  EXPECT_EQ(compare([](Flags* flags) { flags->goal = "next"; }), "");
  EXPECT_EQ(compare([](Flags* flags) { flags->source_model = "a"; }), "");
  EXPECT_EQ(compare([](Flags* flags) { flags->save = "a"; }), "");
  EXPECT_EQ(compare([](Flags* flags) {
              flags->dataset = "a";
              flags->samples = 50;
              flags->seed = 1;
              flags->success = "any";
              flags->eight_bit = true;
              flags->tile_size = 64;
            }),
            "balanced");
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

// "fgsm+noise 0.01; igsm+noise 2/255" for the attacks of each evaluation.
std::string Planned(std::vector<std::string> attacks, const char* norm = "") {
  EvaluateFlags flags = FlagsFor({"no-cat"});
  flags.attacks = std::move(attacks);
  flags.norm = norm;
  const auto plan = PlanEvaluations(flags);
  if (!plan.ok()) return std::string(plan.status().message());
  return absl::StrJoin(plan->specs, "; ",
                       [](std::string* out, const v1::EvaluationSpec& spec) {
                         std::vector<std::string> names;
                         for (const auto& attack : spec.attacks()) {
                           names.push_back(AttackName(attack));
                         }
                         EXPECT_EQ(spec.epsilons_size(), 1);
                         absl::StrAppend(out, absl::StrJoin(names, "+"), " ",
                                         EpsilonText(spec.epsilons(0)));
                       });
}

TEST(PlanTest, AttacksWithOneDefaultAreOneEvaluation) {
  EXPECT_EQ(Planned({"igsm", "pgd", "apgd"}), "igsm+pgd+apgd 2/255");
  EXPECT_EQ(Planned({"igsm", "fgsm", "pgd"}), "igsm+pgd 2/255; fgsm 0.01");
  EXPECT_EQ(Planned({"carlini-wagner", "pgd", "boundary"}),
            "carlini-wagner+boundary 0.5; pgd 2/255");
  EXPECT_EQ(Planned({"pgd", "fab"}, "l2"), "pgd+fab 0.5");
}

TEST(PlanTest, NoiseHasTheEpsilonOfWhatItStandsBeside) {
  EXPECT_EQ(Planned({"fgsm", "noise"}), "fgsm+noise 0.01");
  EXPECT_EQ(Planned({"noise", "pgd"}), "noise+pgd 2/255");
  EXPECT_EQ(Planned({"fgsm", "pgd", "noise"}),
            "fgsm+noise 0.01; pgd+noise 2/255");
  EXPECT_EQ(Planned({"carlini-wagner", "noise"}), "carlini-wagner+noise 0.5");
  EXPECT_EQ(Planned({"noise"}), "noise 2/255");
  EXPECT_EQ(Planned({"noise"}, "l2"), "noise 0.5");
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

}  // namespace
}  // namespace adv
