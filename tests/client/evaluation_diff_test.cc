#include "client/evaluations/evaluation_diff.h"

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "client/printers/evaluation_diff.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/fake_server.h"

namespace adv {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

v1::Evaluation Finished(const std::string& model,
                        const std::vector<double>& epsilons) {
  v1::EvaluationSpec spec;
  spec.set_model(model);
  spec.add_attacks()->mutable_fgsm();
  for (const double epsilon : epsilons) {
    spec.add_epsilons()->set_pixels(epsilon);
  }
  v1::Evaluation evaluation = testing::CannedEvaluation(spec);
  evaluation.mutable_report()->set_records_sha256(model);
  return evaluation;
}

// An image of class 1 that is clean right, with these predictions under attack.
v1::EvaluationRecord Record(int index, const std::vector<int>& predictions) {
  v1::EvaluationRecord record;
  record.set_index(index);
  record.set_label(1);
  record.set_prediction(1);
  for (const int prediction : predictions) {
    v1::AttackRecord* attack = record.add_attacks();
    attack->set_target(-1);
    attack->set_prediction(prediction);
    attack->set_success(prediction != 1);
  }
  return record;
}

std::vector<std::string> Names(const std::vector<Unlike>& unlike) {
  std::vector<std::string> names;
  for (const Unlike& one : unlike) names.push_back(one.what);
  return names;
}

TEST(EvaluationDiffTest, SettingsThatDifferAreNamed) {
  const v1::Evaluation a = Finished("no-cat", {.01});
  EXPECT_THAT(CompareSettings(a, a), IsEmpty());
  EXPECT_THAT(Names(CompareSettings(a, Finished("balanced", {.01}))),
              ElementsAre("model", "model digest"));
  v1::Evaluation b = Finished("no-cat", {.01, .02});
  v1::ResolvedSpec& resolved = *b.mutable_resolved();
  resolved.set_dataset_sha256("another");
  resolved.mutable_source_model()->set_digest("another");
  v1::EvaluationSpec& spec = *resolved.mutable_spec();
  spec.set_seed(7);
  spec.set_eight_bit(true);
  spec.set_tile_size(9);
  spec.set_norm(v1::NORM_L2);
  spec.set_success(v1::SUCCESS_RULE_ANY_ITERATE);
  spec.mutable_goal()->mutable_targeted()->set_rule(v1::TARGET_RULE_NEXT);
  spec.add_attacks()->mutable_pgd();
  EXPECT_THAT(
      Names(CompareSettings(a, b)),
      ElementsAre("gradients", "data digest", "seed", "attacks", "norm",
                  "epsilons", "goal", "success", "eight-bit", "tile size"));
}

TEST(EvaluationDiffTest, ASettingThatHasNoNameIsNotHidden) {
  v1::Evaluation b = Finished("no-cat", {.01});
  b.set_id("another");
  EXPECT_THAT(Names(CompareSettings(Finished("no-cat", {.01}), b)),
              ElementsAre("other settings"));
}

TEST(EvaluationDiffTest, ImagesAndAttacksThatBothHaveAreCompared) {
  EvaluationDiff diff = CompareEvaluations(Finished("no-cat", {.01, .02}),
                                           Finished("balanced", {.03, .01}));
  ASSERT_TRUE(NeedsRecords(diff));
  CompareRecords({Record(0, {1, 0}), Record(2, {1, 0}), Record(3, {0, 0}),
                  Record(4, {0, 0}), Record(5, {0, 0})},
                 {Record(1, {1, 1}), Record(2, {0, 1}), Record(3, {0, 1}),
                  Record(4, {0, 2}), Record(5, {0, 0})},
                 &diff);
  EXPECT_EQ(diff.images, 4);
  EXPECT_EQ(diff.images_only_in_a, 1);
  EXPECT_EQ(diff.images_only_in_b, 1);
  // The clean images, and the one epsilon of both.
  ASSERT_EQ(diff.attacks.size(), 2u);
  EXPECT_EQ(diff.attacks[0].right_in_both, 4);
  const SharedAttack& fgsm = diff.attacks[1];
  EXPECT_EQ(fgsm.epsilon, "0.01");
  EXPECT_EQ(fgsm.right_in_both, 1);
  EXPECT_EQ(fgsm.only_in_a, 0);
  EXPECT_EQ(fgsm.only_in_b, 1);
  EXPECT_EQ(fgsm.in_neither, 2);
  EXPECT_EQ(fgsm.other_predictions, 2);
  ASSERT_EQ(diff.differences.size(), 2u);
  EXPECT_EQ(diff.differences[0].index, 3);
  EXPECT_THAT(diff.differences[0].fields, ElementsAre("prediction", "success"));
  EXPECT_THAT(diff.differences[1].fields, ElementsAre("prediction"));
}

TEST(EvaluationDiffTest, ALastBitCountsAndNanEqualsItself) {
  EvaluationDiff diff = CompareEvaluations(Finished("no-cat", {.01}),
                                           Finished("balanced", {.01}));
  const double nan = std::numeric_limits<double>::quiet_NaN();
  v1::EvaluationRecord a = Record(0, {1}), b = a;
  for (auto* one : {&a, &b}) one->mutable_attacks(0)->set_l2(nan);
  a.mutable_attacks(0)->set_confidence(.1 + .2);
  b.mutable_attacks(0)->set_confidence(.3);
  CompareRecords({a}, {b}, &diff);
  ASSERT_EQ(diff.differences.size(), 1u);
  EXPECT_THAT(diff.differences[0].fields, ElementsAre("confidence"));
  EXPECT_GT(diff.attacks[1].confidence, 0);
  EXPECT_LT(diff.attacks[1].confidence, 1e-15);
}

TEST(EvaluationDiffTest, ClassesInAnotherOrderAreTheSameClasses) {
  v1::Evaluation b = Finished("balanced", {.01});
  b.mutable_report()->mutable_class_names()->SwapElements(1, 4);
  EvaluationDiff diff = CompareEvaluations(Finished("no-cat", {.01}), b);
  v1::EvaluationRecord of_b = Record(0, {4});
  of_b.set_label(4);
  of_b.set_prediction(4);
  of_b.mutable_attacks(0)->set_success(false);
  CompareRecords({Record(0, {1})}, {of_b}, &diff);
  EXPECT_EQ(diff.images, 1);
  EXPECT_THAT(diff.differences, IsEmpty());
  EXPECT_EQ(diff.attacks[1].right_in_both, 1);
}

TEST(EvaluationDiffTest, EqualDigestsNeedNoRecords) {
  const v1::Evaluation a = Finished("no-cat", {.01});
  EXPECT_TRUE(CompareEvaluations(a, a).identical);
  EXPECT_FALSE(NeedsRecords(CompareEvaluations(a, a)));
  // No digest is no proof.
  v1::Evaluation without = a;
  without.mutable_report()->clear_records_sha256();
  EXPECT_FALSE(CompareEvaluations(without, without).identical);
}

TEST(EvaluationDiffTest, ImagesOfOtherDataAreNotCompared) {
  v1::Evaluation b = Finished("balanced", {.01});
  b.mutable_resolved()->set_dataset_sha256("another");
  const EvaluationDiff diff = CompareEvaluations(Finished("no-cat", {.01}), b);
  EXPECT_FALSE(NeedsRecords(diff));
  EXPECT_THAT(DiffText(diff, {"here", "there"}, 10, Style(false)),
              HasSubstr("no image is compared"));
}

TEST(EvaluationDiffTest, WhereTheyRanIsToldButIsNoSetting) {
  v1::Evaluation b = Finished("no-cat", {.01});
  b.mutable_report()->set_records_sha256("another");
  b.mutable_report()->mutable_environment()->set_device("GPU: Fake 1");
  EvaluationDiff diff = CompareEvaluations(Finished("no-cat", {.01}), b);
  CompareRecords({Record(0, {1})}, {Record(0, {2})}, &diff);
  const std::string text = DiffText(diff, {"here", "there"}, 10, Style(false));
  EXPECT_THAT(text, Not(HasSubstr("Settings that differ")));
  EXPECT_THAT(text, HasSubstr("device          A  CPU: Fake 9000\n"));
}

}  // namespace
}  // namespace adv
