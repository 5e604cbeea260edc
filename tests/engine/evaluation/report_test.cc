// BuildReport on records written by hand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "engine/evaluation/evaluation.h"

namespace adv {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

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
      BuildReport(Plan({FgsmConfig{}}, {0.5}), 3, SixSamples());
  EXPECT_EQ(report.samples, 6);
  EXPECT_THAT(report.samples_per_class, ElementsAre(2, 2, 2));
  EXPECT_THAT(report.clean_confusion, ElementsAre(2, 0, 0, 1, 1, 0, 0, 1, 1));
  ASSERT_EQ(report.attacks.size(), 1);
  const AttackReport& attack = report.attacks[0];
  EXPECT_EQ(attack.epsilon, 0.5);
  EXPECT_EQ(attack.overall.right_right, 1);
  EXPECT_EQ(attack.overall.right_wrong, 3);
  EXPECT_EQ(attack.overall.wrong_right, 1);
  EXPECT_EQ(attack.overall.wrong_wrong, 1);
  EXPECT_EQ(attack.per_class[1].right_wrong, 1);
  EXPECT_EQ(attack.per_class[1].wrong_right, 1);
  EXPECT_THAT(attack.confusion, ElementsAre(1, 1, 0, 0, 1, 1, 1, 1, 0));
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
      BuildReport(Plan({FgsmConfig{}}, {0.5}), 3, SixSamples()).attacks[0];
  EXPECT_EQ(attack.iterations.images, 3);
  EXPECT_DOUBLE_EQ(attack.iterations.mean, 7.0 / 3);
  EXPECT_DOUBLE_EQ(attack.iterations.median, 2);
  EXPECT_THAT(attack.iterations.histogram, ElementsAre(1, 1, 0, 1));
  EXPECT_DOUBLE_EQ(attack.iterations_per_class[1].mean, 4);
  EXPECT_EQ(attack.iterations_per_class[2].images, 1);

  std::vector<SampleRecord> four = SixSamples();
  four.push_back(Sample(10, 0, 0, 1, 4));
  EXPECT_DOUBLE_EQ(BuildReport(Plan({FgsmConfig{}}, {0.5}), 3, four)
                       .attacks[0]
                       .iterations.median,
                   3);  // of 1 2 4 4
}

TEST(BuildReport, OfNothing) {
  const EvaluationReport report =
      BuildReport(Plan({FgsmConfig{}}, {0.5}), 3, {});
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
  EXPECT_EQ(BuildReport(Plan({FgsmConfig{}}, {0.5}), 3, samples)
                .attacks[0]
                .target_hits,
            3);
}

TEST(BuildReport, AttackByAttackAndWithinEpsilonByEpsilon) {
  SampleRecord sample = Sample(0, 0, 0, 0, -1);
  sample.attacks.resize(4, sample.attacks[0]);
  sample.attacks[2].prediction = 2;
  const EvaluationReport report = BuildReport(
      Plan({FgsmConfig{}, IgsmConfig{}}, {0.01, 0.02}), 3, {sample});
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
  EXPECT_THAT(BuildReport(Plan(fgsm, {0.1, 0.2}), 3, {sample}).warnings,
              IsEmpty());
  EvaluationPlan plan = Plan(fgsm, {0.2, 0.1});
  EXPECT_THAT(BuildReport(plan, 3, {sample}).warnings,
              ElementsAre(HasSubstr("fgsm: robust accuracy rises with epsilon, "
                                    "from 0 right at 0.1 to 1 right at 0.2")));
  plan.goal.kind = Goal::Kind::kTargeted;
  EXPECT_THAT(BuildReport(plan, 3, {sample}).warnings, IsEmpty());
}

TEST(Warnings, ZeroGradients) {
  std::vector<SampleRecord> samples = SixSamples();
  samples[1].attacks[0].zero_gradient = true;
  const EvaluationReport report =
      BuildReport(Plan({IgsmConfig{}}, {0.5}), 3, samples);
  EXPECT_EQ(report.attacks[0].zero_gradient_images, 1);
  EXPECT_THAT(report.warnings,
              ElementsAre(HasSubstr("igsm: the gradient was zero for 1 of 6 "
                                    "images at epsilon 0.5")));
}

TEST(Warnings, ThesisModeAndStepsThatDoNotReach) {
  EXPECT_THAT(
      BuildReport(Plan({FgsmConfig{true}}, {0.5}), 3, SixSamples()).warnings,
      ElementsAre(HasSubstr("thesis_mode")));
  EXPECT_THAT(
      BuildReport(Plan({IgsmConfig{0.01, 9}}, {0.1}), 3, SixSamples()).warnings,
      ElementsAre("igsm: steps times step_size is 0.09 and cannot "
                  "reach epsilon 0.1"));
  EXPECT_THAT(BuildReport(Plan({IgsmConfig{0.01, 10}}, {0.1}), 3, SixSamples())
                  .warnings,
              IsEmpty());
}

}  // namespace
}  // namespace adv
