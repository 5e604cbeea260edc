// Requests for adversarial images.
#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "tests/server/codec/generate_codec_fixture.h"

namespace adv {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

TEST_F(GenerateCodecTest, AGoodRequestIsUnderstood) {
  request_.add_labels(0);
  request_.add_labels(2);
  request_.set_seed(7);
  request_.set_success(v1::SUCCESS_RULE_ANY_ITERATE);
  const auto task = Decode();
  ASSERT_TRUE(task.ok()) << task.status();
  EXPECT_DOUBLE_EQ(task->options.epsilons.at(0), 8.0 / 255);
  EXPECT_EQ(task->options.success, SuccessRule::kAnyIterate);
  EXPECT_EQ(task->labels[1].item<int64_t>(), 2);
  EXPECT_EQ(task->goal.kind, Goal::Kind::kUntargeted);
  EXPECT_EQ(task->options.seed, 7);
  EXPECT_TRUE(task->samples.equal(at::arange(2)));
}

// Before anything is computed, with what would do.
TEST_F(GenerateCodecTest, AnAttackThatNeedsMoreThanTheModelGivesIsRefused) {
  access_ = Access::kScores;
  EXPECT_THAT(Violations(),
              ElementsAre(Pair(
                  "model", AllOf(HasSubstr("gives scores"),
                                 HasSubstr("fgsm needs gradients"),
                                 HasSubstr("square, hop_skip_jump, boundary, "
                                           "noise")))));
  request_.mutable_attack()->mutable_square();
  EXPECT_THAT(Violations(), IsEmpty());
  access_ = Access::kDecisions;
  EXPECT_THAT(Violations(),
              ElementsAre(Pair("model", HasSubstr("square needs scores"))));
}

// Labels are indices, so classes are matched by name.
TEST_F(GenerateCodecTest, ClassesAreMatchedByName) {
  auto dataset = std::make_shared<Dataset>();
  dataset->images = at::zeros({4, 3, 2, 2}, at::kByte);
  dataset->labels = at::tensor({0, 1, 2, 0}, at::kLong);
  dataset->class_names = {"green", "blue", "red"};
  dataset_ = dataset;
  request_.clear_images();
  for (const int index : {0, 1, 2}) {
    request_.mutable_dataset_images()->add_indices(index);
  }
  auto task = Decode();
  ASSERT_TRUE(task.ok()) << task.status();
  // The model's order is red, green, blue.
  EXPECT_TRUE(task->labels.equal(at::tensor({1, 2, 0}, at::kLong)));
  EXPECT_TRUE(task->dataset->labels.equal(at::tensor({1, 2, 0, 1}, at::kLong)));
  dataset->class_names = {"0", "1", "2"};  // it came without names
  task = Decode();
  ASSERT_TRUE(task.ok()) << task.status();
  EXPECT_TRUE(task->labels.equal(at::tensor({0, 1, 2}, at::kLong)));
  for (const char* other : {"yellow", "green"}) {
    dataset->class_names = {"green", "blue", other};
    EXPECT_THAT(Violations(),
                ElementsAre(Pair("dataset_images.dataset",
                                 AllOf(HasSubstr("green, blue, "),
                                       HasSubstr("red, green, blue")))));
  }
}

TEST_F(GenerateCodecTest, EpsilonHasARangeInEitherUnit) {
  request_.mutable_epsilon()->set_levels(255.5);
  EXPECT_THAT(Violations(),
              ElementsAre(Pair("epsilon", AllOf(HasSubstr("255.5 levels"),
                                                HasSubstr("0 to 255")))));
  request_.mutable_epsilon()->set_levels(-1);
  EXPECT_THAT(Violations(),
              ElementsAre(Pair("epsilon", HasSubstr("is -1 levels"))));
  request_.mutable_epsilon()->set_pixels(1.5);
  EXPECT_THAT(Violations(),
              ElementsAre(Pair("epsilon", AllOf(HasSubstr("1.5 in pixel"),
                                                HasSubstr("0 to 1")))));
  request_.mutable_epsilon()->set_pixels(
      std::numeric_limits<double>::quiet_NaN());
  EXPECT_THAT(Violations(), ElementsAre(Pair("epsilon", HasSubstr("nan"))));
  request_.clear_epsilon();
  EXPECT_THAT(Violations(),
              ElementsAre(Pair("epsilon", HasSubstr("not given"))));
  request_.mutable_epsilon()->set_pixels(0);
  EXPECT_THAT(Violations(), IsEmpty());
}

TEST_F(GenerateCodecTest, StepsAndStepSizeHaveRanges) {
  v1::Igsm* igsm = request_.mutable_attack()->mutable_igsm();
  igsm->set_steps(0);
  igsm->mutable_step_size()->set_levels(0);
  EXPECT_THAT(
      Violations(),
      ElementsAre(
          Pair("attack.igsm.step_size", HasSubstr("above 0, up to 255")),
          Pair("attack.igsm.steps",
               AllOf(HasSubstr("is 0"), HasSubstr("1 to 1000")))));
  igsm->set_steps(1001);
  igsm->mutable_step_size()->set_pixels(1.5);
  EXPECT_THAT(Violations(),
              ElementsAre(Pair("attack.igsm.step_size", HasSubstr("up to 1")),
                          Pair("attack.igsm.steps", HasSubstr("is 1001"))));
  igsm->clear_steps();
  igsm->clear_step_size();
  limits_.steps = 9;
  request_.mutable_epsilon()->set_levels(8);
  EXPECT_THAT(
      Violations(),
      ElementsAre(Pair("attack.igsm.steps",
                       AllOf(HasSubstr("would be 10"), HasSubstr("1 to 9")))));
}

TEST_F(GenerateCodecTest, AnAttackMustBeGiven) {
  request_.clear_attack();
  EXPECT_THAT(Violations(),
              ElementsAre(Pair("attack", HasSubstr("fgsm, igsm"))));
}

TEST_F(GenerateCodecTest, SampleIndicesKeyTheDraws) {
  request_.add_sample_indices(12);
  request_.add_sample_indices(3);
  const auto task = Decode();
  ASSERT_TRUE(task.ok()) << task.status();
  EXPECT_TRUE(task->samples.equal(at::tensor({12, 3}, at::kLong)));
}

TEST_F(GenerateCodecTest, ANormMustBeTheAttacks) {
  request_.set_norm(v1::NORM_L2);
  EXPECT_THAT(
      Violations(),
      ElementsAre(Pair(
          "norm", "is NORM_L2, which fgsm does not have; must be NORM_LINF")));
  request_.set_norm(v1::NORM_L1);
  EXPECT_THAT(
      Violations(),
      ElementsAre(
          Pair("norm", "is NORM_L1, which no attack has; must be NORM_LINF")));
  request_.set_norm(static_cast<v1::Norm>(17));
  EXPECT_THAT(Violations(), ElementsAre(Pair("norm", HasSubstr("is 17"))));
  request_.set_norm(v1::NORM_LINF);
  EXPECT_THAT(Violations(), IsEmpty());
}

TEST_F(GenerateCodecTest, LabelsAreOneForEachImageAndClasses) {
  request_.add_labels(0);
  EXPECT_THAT(Violations(),
              ElementsAre(Pair(
                  "labels", AllOf(HasSubstr("has 1"), HasSubstr("2 images")))));
  request_.add_labels(3);
  EXPECT_THAT(Violations(),
              ElementsAre(Pair("labels[1]",
                               AllOf(HasSubstr("is 3"), HasSubstr("0 to 2")))));
}

TEST_F(GenerateCodecTest, ATargetIsAClassAndNoLabel) {
  v1::TargetedGoal* goal = request_.mutable_goal()->mutable_targeted();
  EXPECT_THAT(Violations(), ElementsAre(Pair("goal.targeted.target_class",
                                             HasSubstr("not given"))));
  goal->set_target_class(3);
  EXPECT_THAT(Violations(),
              ElementsAre(Pair("goal.targeted.target_class",
                               AllOf(HasSubstr("is 3"), HasSubstr("0 to 2")))));
  goal->set_target_class(1);
  request_.add_labels(0);
  request_.add_labels(1);
  EXPECT_THAT(
      Violations(),
      ElementsAre(Pair("goal.targeted.target_class",
                       AllOf(HasSubstr("image 1"), HasSubstr("its label")))));
  goal->set_rule(static_cast<v1::TargetRule>(99));
  EXPECT_THAT(Violations(),
              ElementsAre(Pair("goal.targeted.rule", HasSubstr("is 99"))));
}

TEST_F(GenerateCodecTest, TargetsPerImageAreChecked) {
  v1::TargetedGoal* goal = request_.mutable_goal()->mutable_targeted();
  goal->set_rule(v1::TARGET_RULE_PER_IMAGE);
  goal->add_target_classes(2);
  EXPECT_THAT(Violations(), ElementsAre(Pair("goal.targeted.target_classes",
                                             HasSubstr("has 1"))));
  goal->add_target_classes(-1);
  EXPECT_THAT(Violations(), ElementsAre(Pair("goal.targeted.target_classes[1]",
                                             HasSubstr("is -1"))));
  goal->set_target_classes(1, 0);
  request_.add_labels(2);
  request_.add_labels(1);
  EXPECT_THAT(Violations(), ElementsAre(Pair("goal.targeted.target_classes",
                                             HasSubstr("image 0"))));
}

TEST_F(GenerateCodecTest, AnyIterateIsNotForTransfer) {
  transfer_ = true;
  EXPECT_THAT(Violations(), IsEmpty());
  request_.set_success(v1::SUCCESS_RULE_ANY_ITERATE);
  EXPECT_THAT(Violations(),
              ElementsAre(Pair("success", HasSubstr("source_model"))));
  request_.set_success(static_cast<v1::SuccessRule>(5));
  EXPECT_THAT(Violations(), ElementsAre(Pair("success", HasSubstr("is 5"))));
}

TEST_F(GenerateCodecTest, EightBitNeedsTheLatticeAndTheBox) {
  request_.set_eight_bit(true);
  EXPECT_THAT(Violations(), IsEmpty());  // .2 is 51/255
  std::vector<float> values(24, .2F);
  values[20] = .2015F;
  *request_.mutable_images() = FloatImages(values);
  request_.mutable_attack()->mutable_fgsm()->set_thesis_mode(true);
  EXPECT_THAT(Violations(),
              ElementsAre(Pair("images.data",
                               AllOf(HasSubstr("image 1"), HasSubstr("1/255"))),
                          Pair("eight_bit", HasSubstr("thesis_mode"))));
}

TEST_F(GenerateCodecTest, EverythingWrongIsSaidAtOnce) {
  request_.mutable_images()->clear_layout();
  request_.add_labels(0);
  request_.clear_attack();
  request_.set_norm(static_cast<v1::Norm>(17));
  request_.mutable_epsilon()->set_levels(999);
  request_.mutable_goal()->mutable_targeted()->set_target_class(3);
  std::vector<std::string> fields;
  for (const auto& [field, description] : Violations()) {
    fields.push_back(field);
  }
  EXPECT_THAT(fields, ElementsAre("images.layout", "labels", "attack", "norm",
                                  "epsilon", "goal.targeted.target_class"));
}

}  // namespace
}  // namespace adv
