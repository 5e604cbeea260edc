// BuildReport on records written by hand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "engine/evaluation/evaluation.h"
#include "engine/evaluation/warnings.h"

namespace adv {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::vector<std::string> kClasses = {"a", "b", "c"};

EvaluationPlan Plan(std::vector<AttackConfig> attacks,
                    std::vector<double> epsilons) {
  EvaluationPlan plan;
  plan.attacks = std::move(attacks);
  plan.epsilons = std::move(epsilons);
  return plan;
}

// One attack: how the clean and the adversarial image were classified.
SampleRecord Sample(int64_t index, int64_t label, int64_t clean,
                    int64_t adversarial, int64_t iterations) {
  SampleRecord sample;
  sample.index = index;
  sample.label = label;
  sample.prediction = clean;
  sample.label_confidence = 0.75;
  AttackRecord record;
  record.prediction = adversarial;
  record.label_confidence = 0.25;
  record.success = adversarial != label;
  record.iterations = iterations;
  record.gradients = 2;
  record.forwards = 1;
  record.l0 = index;
  record.l2 = 0.1 * static_cast<double>(index);
  record.linf = 0.01 * static_cast<double>(index);
  sample.attacks.push_back(record);
  return sample;
}

std::vector<SampleRecord> SixSamples() {
  return {Sample(4, 0, 0, 0, -1), Sample(5, 0, 0, 1, 1), Sample(6, 1, 1, 2, 4),
          Sample(7, 1, 0, 1, -1), Sample(8, 2, 1, 1, 0), Sample(9, 2, 2, 0, 2)};
}

TEST(BuildReport, Counts) {
  const EvaluationReport report =
      BuildReport(Plan({FgsmConfig{}}, {0.5}), {kClasses}, SixSamples());
  EXPECT_EQ(report.samples, 6);
  EXPECT_THAT(report.samples_per_class, ElementsAre(2, 2, 2));
  EXPECT_THAT(report.clean_confusion.Dense(),
              ElementsAre(2, 0, 0, 1, 1, 0, 0, 1, 1));
  ASSERT_EQ(report.attacks.size(), 1);
  const AttackReport& attack = report.attacks[0];
  EXPECT_EQ(attack.epsilon, 0.5);
  EXPECT_EQ(attack.overall.right_right, 1);
  EXPECT_EQ(attack.overall.right_wrong, 3);
  EXPECT_EQ(attack.overall.wrong_right, 1);
  EXPECT_EQ(attack.overall.wrong_wrong, 1);
  EXPECT_EQ(attack.per_class[1].right_wrong, 1);
  EXPECT_EQ(attack.per_class[1].wrong_right, 1);
  EXPECT_THAT(attack.confusion.Dense(), ElementsAre(1, 1, 0, 0, 1, 1, 1, 1, 0));
  EXPECT_EQ(attack.target_hits, 0);
  EXPECT_EQ(attack.gradients, 12);
  EXPECT_EQ(attack.forwards, 6);
  EXPECT_DOUBLE_EQ(attack.mean_confidence_drop, 0.5);
  EXPECT_DOUBLE_EQ(attack.mean_l0, 6.5);
  EXPECT_DOUBLE_EQ(attack.mean_l2, 0.65);
  EXPECT_DOUBLE_EQ(attack.max_l0, 9);
  EXPECT_DOUBLE_EQ(attack.max_l2, 0.9);
  EXPECT_DOUBLE_EQ(attack.max_linf, 0.09);
  EXPECT_THAT(report.warnings, IsEmpty());
}

// Steps 1, 4 and 2; the image that was wrong before took none.
TEST(BuildReport, Iterations) {
  const AttackReport attack =
      BuildReport(Plan({FgsmConfig{}}, {0.5}), {kClasses}, SixSamples())
          .attacks[0];
  EXPECT_EQ(attack.iterations.images, 3);
  EXPECT_DOUBLE_EQ(attack.iterations.mean, 7.0 / 3);
  EXPECT_DOUBLE_EQ(attack.iterations.median, 2);
  EXPECT_THAT(attack.iterations.histogram, ElementsAre(1, 1, 0, 1));
  EXPECT_DOUBLE_EQ(attack.iterations_per_class[1].mean, 4);
  EXPECT_EQ(attack.iterations_per_class[2].images, 1);

  std::vector<SampleRecord> four = SixSamples();
  four.push_back(Sample(10, 0, 0, 1, 4));
  EXPECT_DOUBLE_EQ(BuildReport(Plan({FgsmConfig{}}, {0.5}), {kClasses}, four)
                       .attacks[0]
                       .iterations.median,
                   3);  // of 1 2 4 4
}

TEST(BuildReport, OfNothing) {
  const EvaluationReport report =
      BuildReport(Plan({FgsmConfig{}}, {0.5}), {kClasses}, {});
  EXPECT_EQ(report.samples, 0);
  EXPECT_EQ(report.attacks[0].overall.total(), 0);
  EXPECT_TRUE(std::isnan(report.attacks[0].mean_l2));
  EXPECT_TRUE(std::isnan(report.attacks[0].iterations.mean));
  EXPECT_TRUE(std::isnan(report.attacks[0].iterations.median));
}

TEST(BuildReport, TargetHits) {
  std::vector<SampleRecord> samples = SixSamples();
  for (SampleRecord& sample : samples) {
    sample.attacks[0].target = 1;
    sample.attacks[0].success = sample.attacks[0].prediction == 1;
  }
  EXPECT_EQ(BuildReport(Plan({FgsmConfig{}}, {0.5}), {kClasses}, samples)
                .attacks[0]
                .target_hits,
            3);
}

TEST(BuildReport, AttackByAttackAndWithinEpsilonByEpsilon) {
  SampleRecord sample = Sample(0, 0, 0, 0, -1);
  sample.attacks.resize(4, sample.attacks[0]);
  sample.attacks[2].prediction = 2;
  const EvaluationReport report = BuildReport(
      Plan({FgsmConfig{}, IgsmConfig{}}, {0.01, 0.02}), {kClasses}, {sample});
  ASSERT_EQ(report.attacks.size(), 4);
  EXPECT_EQ(report.attacks[1].attack, 0);
  EXPECT_EQ(report.attacks[1].epsilon, 0.02);
  EXPECT_EQ(report.attacks[2].attack, 1);
  EXPECT_EQ(report.attacks[2].epsilon, 0.01);
  EXPECT_EQ(report.attacks[2].overall.right_wrong, 1);
}

// Accuracy may not rise with epsilon, whatever the order they are given in.
TEST(Warnings, RobustAccuracyThatRises) {
  SampleRecord sample = Sample(0, 0, 0, 0, -1);
  sample.attacks.resize(2, sample.attacks[0]);
  sample.attacks[1].prediction = 1;  // falls at the second epsilon alone
  const std::vector<AttackConfig> fgsm = {FgsmConfig{}};
  EXPECT_THAT(
      BuildReport(Plan(fgsm, {0.1, 0.2}), {kClasses}, {sample}).warnings,
      IsEmpty());
  EvaluationPlan plan = Plan(fgsm, {0.2, 0.1});
  EXPECT_THAT(BuildReport(plan, {kClasses}, {sample}).warnings,
              ElementsAre(HasSubstr("fgsm: robust accuracy rises with epsilon, "
                                    "from 0 right at 0.1 to 1 right at 0.2")));
  plan.goal.kind = Goal::Kind::kTargeted;
  EXPECT_THAT(BuildReport(plan, {kClasses}, {sample}).warnings, IsEmpty());
}

TEST(Warnings, ZeroGradients) {
  std::vector<SampleRecord> samples = SixSamples();
  samples[1].attacks[0].zero_gradient = true;
  const EvaluationReport report =
      BuildReport(Plan({IgsmConfig{}}, {0.5}), {kClasses}, samples);
  EXPECT_EQ(report.attacks[0].zero_gradient_images, 1);
  EXPECT_THAT(report.warnings,
              ElementsAre(HasSubstr("igsm: the gradient was zero for 1 of 6 "
                                    "images at epsilon 0.5")));
}

TEST(Warnings, ThesisModeAndStepsThatDoNotReach) {
  EXPECT_THAT(
      BuildReport(Plan({FgsmConfig{true}}, {0.5}), {kClasses}, SixSamples())
          .warnings,
      ElementsAre(HasSubstr("thesis_mode")));
  EXPECT_THAT(
      BuildReport(Plan({IgsmConfig{0.01, 9}}, {0.1}), {kClasses}, SixSamples())
          .warnings,
      ElementsAre("igsm: steps times step_size is 0.09 and cannot "
                  "reach epsilon 0.1"));
  EXPECT_THAT(
      BuildReport(Plan({IgsmConfig{0.01, 10}}, {0.1}), {kClasses}, SixSamples())
          .warnings,
      IsEmpty());
}

// One image under `attacks` at one epsilon, each of which leaves it right or
// not.
std::vector<std::string> WarningsOf(const std::vector<AttackConfig>& attacks,
                                    const std::vector<bool>& right) {
  SampleRecord sample = Sample(0, 0, 0, 0, -1);
  sample.attacks.resize(attacks.size(), sample.attacks[0]);
  for (size_t i = 0; i < right.size(); ++i) {
    sample.attacks[i].prediction = right[i] ? 0 : 1;
  }
  return BuildReport(Plan(attacks, {0.1}), {kClasses}, {sample}).warnings;
}

TEST(Warnings, StepsOfEveryWalkThatDoNotReach) {
  IterativeLeastLikelyConfig ill;
  ill.step_size = 0.01;
  ill.steps = 2;
  PgdConfig pgd;
  pgd.step_size = 0.02;
  pgd.steps = 3;
  MiFgsmConfig mi_fgsm;
  mi_fgsm.step_size = 0.01;
  mi_fgsm.steps = 5;
  EXPECT_THAT(
      WarningsOf({ill, pgd, mi_fgsm}, {true, true, true}),
      ElementsAre(HasSubstr("iterative_least_likely: steps times step_size is "
                            "0.02"),
                  HasSubstr("pgd: steps times step_size is 0.06"),
                  HasSubstr("mi_fgsm: steps times step_size is 0.05")));
  EXPECT_THAT(WarningsOf({PgdConfig{}, MiFgsmConfig{}}, {true, true}),
              IsEmpty());
}

TEST(Warnings, MoreStepsThatDoWorse) {
  PgdConfig few, many;
  few.steps = 10;
  many.steps = 20;
  EXPECT_THAT(
      WarningsOf({few, many}, {false, true}),
      ElementsAre("pgd (attack 2): more work than pgd (attack 1) leaves more "
                  "images right at epsilon 0.1, 1 and not 0: the attack does "
                  "not converge"));
  EXPECT_THAT(WarningsOf({few, many}, {true, false}), IsEmpty());
  many.step_size = 0.01;  // not the same attack
  EXPECT_THAT(WarningsOf({few, many}, {false, true}), IsEmpty());
}

TEST(Warnings, SettingsOfAMember) {
  FgsmConfig thesis;
  thesis.thesis_mode = true;
  AutoAttackConfig ensemble;
  ensemble.members = {{thesis}};
  EXPECT_THAT(SettingWarnings(Plan({ensemble}, {0.5})),
              ElementsAre(HasSubstr("auto_attack's fgsm: thesis_mode")));
}

TEST(Warnings, EpsilonBetweenTwoLevels) {
  EvaluationPlan plan = Plan({FgsmConfig{}}, {0.01, 2 / 255., 0.0078431});
  EXPECT_THAT(SettingWarnings(plan), IsEmpty());
  plan.eight_bit = true;
  EXPECT_THAT(SettingWarnings(plan),
              ElementsAre("eight_bit: epsilon 0.01 is 2.55 levels of 255, of "
                          "which 2 can be used"));
  plan.norm = Norm::kL2;
  EXPECT_THAT(SettingWarnings(plan), IsEmpty());
}

TEST(Unchecked, NamesWhatEachGuardNeeds) {
  EXPECT_THAT(FindUnchecked(Plan({FgsmConfig{}}, {0.5})),
              ElementsAre(HasSubstr("several epsilons"), HasSubstr("twice"),
                          HasSubstr("noise among"), HasSubstr("square")));
  PgdConfig more;
  more.restarts = 2;
  EvaluationPlan plan =
      Plan({PgdConfig{}, more, NoiseConfig{}, SquareConfig{}}, {0.5, 0.6});
  EXPECT_THAT(FindUnchecked(plan), IsEmpty());
  plan.goal.kind = Goal::Kind::kTargeted;
  EXPECT_THAT(FindUnchecked(plan), ElementsAre(HasSubstr("untargeted goal")));
}

TEST(Warnings, NoiseThatDoesBetter) {
  EXPECT_THAT(
      WarningsOf({FgsmConfig{}, NoiseConfig{}}, {true, false}),
      ElementsAre(HasSubstr("fgsm: random noise of the same size leaves "
                            "fewer images right at epsilon 0.1, 0 and "
                            "not 1: gradients may be masked")));
  EXPECT_THAT(WarningsOf({FgsmConfig{}, NoiseConfig{}}, {false, true}),
              IsEmpty());
}

TEST(Warnings, ScoresThatDoBetterThanTheBestGradients) {
  EXPECT_THAT(
      WarningsOf({FgsmConfig{}, SquareConfig{}}, {true, false}),
      ElementsAre(HasSubstr("square, which needs no gradients, leaves fewer "
                            "images right than fgsm at epsilon 0.1, 0 and not "
                            "1")));
  EXPECT_THAT(WarningsOf({FgsmConfig{}, PgdConfig{}, SquareConfig{}},
                         {true, false, false}),
              IsEmpty());
}

// Images 5, 6 and 9 go from right to wrong: 0 to 1, 1 to 2, 2 to 0.
TEST(BuildReport, GoalsOfAnUntargetedAdversary) {
  const AttackReport attack =
      BuildReport(Plan({FgsmConfig{}}, {0.5}), {kClasses}, SixSamples())
          .attacks[0];
  EXPECT_EQ(attack.confidence_reduced, 6);
  EXPECT_EQ(attack.right_to_target, 0);
  EXPECT_THAT(attack.source_target.Dense(),
              ElementsAre(0, 1, 0, 0, 0, 1, 1, 0, 0));
}

TEST(BuildReport, GoalsOfATargetedAdversary) {
  std::vector<SampleRecord> samples = SixSamples();
  for (SampleRecord& sample : samples) sample.attacks[0].target = 1;
  samples[0].attacks[0].label_confidence = 0.8;
  const AttackReport attack =
      BuildReport(Plan({FgsmConfig{}}, {0.5}), {kClasses}, samples).attacks[0];
  EXPECT_EQ(attack.confidence_reduced, 5);
  EXPECT_EQ(attack.right_to_target, 1);
  EXPECT_THAT(attack.source_target.Dense(),
              ElementsAre(0, 1, 0, 0, 0, 0, 0, 0, 0));
}

TEST(BuildReport, KindsByTheFirstThatFits) {
  const Classes classes = {
      {"cat", "dog", "ship", "frog", "truck", "deer"},
      {"animals", "animals", "vehicles", "animals", "vehicles", "animals"}};
  const auto kinds = [&](int64_t clean, int64_t adversarial, int64_t rank) {
    SampleRecord sample = Sample(0, 0, clean, adversarial, 1);
    sample.attacks[0].clean_rank = rank;
    const KindCounts counts =
        BuildReport(Plan({FgsmConfig{}}, {0.5}), classes, {sample})
            .attacks[0]
            .kinds;
    return std::vector<int64_t>{counts.benign, counts.co_natural,
                                counts.refocused, counts.true_adversarial};
  };
  EXPECT_THAT(kinds(1, 0, 1), ElementsAre(1, 0, 0, 0));
  EXPECT_THAT(kinds(0, 1, 5), ElementsAre(0, 1, 0, 0));  // cat to dog
  EXPECT_THAT(kinds(0, 1, 1), ElementsAre(0, 1, 0, 0));
  EXPECT_THAT(kinds(0, 2, 2), ElementsAre(0, 0, 1, 0));  // among the best 3
  EXPECT_THAT(kinds(0, 2, 3), ElementsAre(0, 0, 0, 1));
  EXPECT_THAT(kinds(0, 0, 0), ElementsAre(0, 0, 0, 0));
  EXPECT_THAT(kinds(1, 2, 3), ElementsAre(0, 0, 0, 0));  // wrong before
}

TEST(BuildReport, SaysByWhichRuleKindsAreCounted) {
  const EvaluationPlan plan = Plan({FgsmConfig{}}, {0.5});
  EXPECT_THAT(BuildReport(plan, {kClasses}, {}).kinds_rule,
              HasSubstr("superclass (these classes have none)"));
  const EvaluationReport report = BuildReport(
      plan, {{"ship", "cat", "dog"}, {"vehicles", "animals", "animals"}}, {});
  EXPECT_THAT(report.kinds_rule,
              HasSubstr("superclass (animals: cat, dog; vehicles: ship)"));
  EXPECT_TRUE(report.has_superclasses);
}

TEST(BuildReport, MembersOfAnEnsemble) {
  AutoAttackConfig ensemble;
  ensemble.members = {{FgsmConfig{}}, {PgdConfig{}}};
  std::vector<SampleRecord> samples = SixSamples();
  samples[1].attacks[0].member = 0;
  samples[2].attacks[0].member = 1;
  samples[4].attacks[0].member = 0;  // was wrong before
  samples[5].attacks[0].member = 1;
  EXPECT_THAT(BuildReport(Plan({ensemble}, {0.5}), {kClasses}, samples)
                  .attacks[0]
                  .broken_by_member,
              ElementsAre(1, 2));
}

TEST(BuildReport, AThousandClassesCostTheImagesAndNotTheirSquare) {
  std::vector<std::string> names;
  for (int i = 0; i < 1000; ++i) names.push_back(std::to_string(i));
  const std::vector<AttackConfig> attacks(4, FgsmConfig{});
  std::vector<SampleRecord> samples = SixSamples();
  for (SampleRecord& sample : samples) {
    sample.attacks.resize(8, sample.attacks[0]);
  }
  const EvaluationReport report =
      BuildReport(Plan(attacks, {0.1, 0.2}), {names}, samples);
  EXPECT_EQ(report.clean_confusion.classes(), 1000);
  EXPECT_LE(report.clean_confusion.counts().size(), samples.size());
  ASSERT_EQ(report.attacks.size(), 8u);
  for (const AttackReport& attack : report.attacks) {
    EXPECT_LE(attack.confusion.counts().size(), samples.size());
    EXPECT_LE(attack.source_target.counts().size(), samples.size());
    EXPECT_EQ(attack.per_class.size(), 1000u);
    size_t bins = 0;
    for (const IterationSummary& one : attack.iterations_per_class) {
      bins += one.histogram.size();
    }
    EXPECT_LE(bins, 4u * samples.size());  // at most four steps were taken
  }
}

}  // namespace
}  // namespace adv
