#include "server/codec/codec_evaluation.h"

#include <ATen/ATen.h>
#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>

#include "engine/evaluation/warnings.h"
#include "tests/server/codec/evaluation_codec_fixture.h"

namespace adv {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

TEST_F(EvaluationCodecTest, AnEmptySpecificationGetsEveryDefault) {
  const auto decoded = Decode();
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->indices.size(), 6);
  EXPECT_EQ(decoded->plan.attacks.size(), 2);
  EXPECT_THAT(decoded->plan.epsilons, ElementsAre(8.0 / 255));
  EXPECT_EQ(decoded->plan.tile_size, 128);
  const v1::ResolvedSpec& resolved = decoded->resolved;
  EXPECT_EQ(resolved.spec().model(), "toy@1");
  EXPECT_EQ(resolved.spec().source_model(), "toy@1");
  EXPECT_EQ(resolved.spec().dataset(), "colours");
  EXPECT_EQ(resolved.spec().samples(), 6);
  EXPECT_EQ(resolved.samples(), 6);
  EXPECT_EQ(resolved.dataset_sha256(), std::string(64, 'e'));
  // IGSM's steps follow from each epsilon.
  EXPECT_FALSE(resolved.spec().attacks(1).igsm().has_steps());
}

TEST_F(EvaluationCodecTest, EqualMeaningIsAnEqualId) {
  const std::string id = EvaluationId(Decode()->resolved);
  spec_.set_samples(1'000'000);
  spec_.set_tile_size(128);
  spec_.add_epsilons()->set_pixels(8.0 / 255);
  spec_.add_attacks()->mutable_fgsm();
  spec_.add_attacks()->mutable_igsm()->mutable_step_size()->set_levels(1);
  spec_.mutable_goal()->mutable_untargeted();
  EXPECT_EQ(EvaluationId(Decode()->resolved), id);
  spec_.set_seed(1);
  EXPECT_NE(EvaluationId(Decode()->resolved), id);
}

TEST_F(EvaluationCodecTest, SamplesAreDrawnByTheSeed) {
  spec_.set_samples(3);
  const auto decoded = Decode();
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(decoded->indices.size(), 3);
  EXPECT_EQ(decoded->resolved.spec().samples(), 3);
  EXPECT_EQ(decoded->resolved.sample_indices_sha256().size(), 64);
}

// The same images, whatever the order in which a model has its classes.
TEST_F(EvaluationCodecTest, ClassesAreMatchedByName) {
  spec_.set_samples(4);
  const auto own = Decode();
  ASSERT_TRUE(own.ok()) << own.status();
  auto model = std::make_shared<ServedModel>(*inputs_.model);
  model->manifest.clear_class_names();
  for (const char* name : {"blue", "red", "green"}) {
    model->manifest.add_class_names(name);
  }
  inputs_.model = model;
  const auto decoded = Decode();
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->indices, own->indices);
  EXPECT_THAT(decoded->dataset->class_names,
              ElementsAre("blue", "red", "green"));
  EXPECT_TRUE(decoded->dataset->labels.equal(
      at::tensor({1, 2, 0, 1, 2, 0}, at::kLong)));
  // The source is another model then, with the same classes in its own order.
  const at::Tensor images = at::rand({2, 3, 2, 2});
  const at::Tensor theirs =
      inputs_.source_model->network->Logits(images).value();
  EXPECT_TRUE(decoded->source_model->network->Logits(images).value().equal(
      theirs.index_select(1, at::tensor({2, 0, 1}, at::kLong))));

  model->manifest.set_class_names(0, "yellow");
  EXPECT_THAT(
      Violations(),
      ElementsAre(Pair("spec.dataset", AllOf(HasSubstr("red, green, blue"),
                                             HasSubstr("yellow, red, green"))),
                  Pair("spec.source_model", HasSubstr("yellow"))));
}

TEST_F(EvaluationCodecTest, EachFieldHasItsMessage) {
  spec_.add_attacks();
  spec_.add_attacks()->mutable_igsm()->set_steps(0);
  spec_.set_norm(v1::NORM_L2);
  spec_.add_epsilons()->set_levels(1);
  spec_.add_epsilons()->set_levels(256);
  spec_.mutable_goal()->mutable_targeted()->set_rule(v1::TARGET_RULE_PER_IMAGE);
  spec_.set_tile_size(2000);
  EXPECT_THAT(
      Violations(),
      ElementsAre(
          Pair("spec.attacks[0]", HasSubstr("fgsm, igsm")),
          Pair("spec.attacks[1].igsm.steps", HasSubstr("1 to 1000")),
          Pair("spec.norm", HasSubstr("NORM_LINF")),
          Pair("spec.epsilons[1]", HasSubstr("0 to 255")),
          Pair("spec.goal.targeted.rule", HasSubstr("GenerateAdversarial")),
          Pair("spec.tile_size",
               AllOf(HasSubstr("is 2000"), HasSubstr("1 to 1024")))));
}

// Square is what AutoAttack has for scores; the resolved spec says so.
TEST_F(EvaluationCodecTest, WithoutGradientsAutoAttackIsItsScoreBasedPart) {
  auto model = std::make_shared<ServedModel>(*inputs_.model);
  NetworkTraits traits = model->network->traits();
  traits.access = Access::kScores;
  model->network = std::make_shared<SilentNetwork>(traits);
  inputs_.model = inputs_.source_model = model;
  spec_.add_attacks()->mutable_auto_attack();
  const auto decoded = Decode();
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  const v1::AutoAttack& resolved =
      decoded->resolved.spec().attacks(0).auto_attack();
  ASSERT_EQ(resolved.members_size(), 1);
  EXPECT_TRUE(resolved.members(0).has_square());
  EXPECT_THAT(SettingWarnings(decoded->plan),
              ElementsAre(HasSubstr("scores or decisions alone")));
  // What somebody put together himself is taken whole or not at all.
  spec_.mutable_attacks(0)->mutable_auto_attack()->add_members()->mutable_fab();
  EXPECT_THAT(Violations(),
              ElementsAre(Pair("spec.model", HasSubstr("needs gradients"))));
  traits.access = Access::kDecisions;
  model->network = std::make_shared<SilentNetwork>(traits);
  spec_.mutable_attacks(0)->mutable_auto_attack()->clear_members();
  EXPECT_THAT(Violations(),
              Contains(Pair("spec.model", HasSubstr("needs gradients"))));
}

TEST_F(EvaluationCodecTest, ListsHaveLimits) {
  for (int i = 0; i < 17; ++i) spec_.add_attacks()->mutable_fgsm();
  for (int i = 0; i < 65; ++i) spec_.add_epsilons()->set_levels(1);
  EXPECT_THAT(Violations(),
              ElementsAre(Pair("spec.attacks", AllOf(HasSubstr("has 17"),
                                                     HasSubstr("most 16"))),
                          Pair("spec.epsilons", AllOf(HasSubstr("has 65"),
                                                      HasSubstr("most 64")))));
}

TEST_F(EvaluationCodecTest, TheResultsOfOneEvaluationAreLimited) {
  for (const double levels : {1, 2, 4}) {
    spec_.add_epsilons()->set_levels(levels);
  }
  limits_.evaluation_records = 6 * 2 * 3;
  EXPECT_TRUE(Decode().ok());
  limits_.evaluation_records = 35;
  EXPECT_THAT(Violations(),
              ElementsAre(Pair("spec.samples",
                               "6 samples times 2 attacks times 3 epsilons "
                               "make 36 results; must be at most 35, here up "
                               "to 5 samples")));
  spec_.set_samples(5);
  EXPECT_TRUE(Decode().ok());
}

TEST_F(EvaluationCodecTest, StepsThatFollowFromAnEpsilonAreLimitedToo) {
  limits_.steps = 10;  // those of 8 levels
  EXPECT_TRUE(Decode().ok());
  spec_.add_epsilons()->set_levels(8);
  spec_.add_epsilons()->set_levels(9);
  EXPECT_THAT(
      Violations(),
      ElementsAre(Pair("spec.attacks[1].igsm.steps",
                       AllOf(HasSubstr("12 at"), HasSubstr("1 to 10")))));
  spec_.add_attacks()->mutable_igsm()->set_steps(10);
  EXPECT_TRUE(Decode().ok());
}

TEST_F(EvaluationCodecTest, AGoalOrNormThatAnAttackDoesNotHaveIsNamed) {
  spec_.add_attacks()->mutable_boundary();
  spec_.add_attacks()->mutable_iterative_least_likely();
  spec_.mutable_goal()->mutable_targeted()->set_rule(v1::TARGET_RULE_NEXT);
  EXPECT_THAT(
      Violations(),
      ElementsAre(Pair("spec.norm", HasSubstr("boundary has NORM_L2")),
                  Pair("spec.goal", HasSubstr("iterative_least_likely"))));
}

TEST_F(EvaluationCodecTest, TheNormIsTheFirstThatAllAttacksHave) {
  spec_.add_attacks()->mutable_pgd();
  EXPECT_EQ(Decode()->plan.norm, Norm::kLinf);
  spec_.add_attacks()->mutable_carlini_wagner();
  EXPECT_EQ(Decode()->plan.norm, Norm::kL2);
}

TEST_F(EvaluationCodecTest, TooFewClassesForALossAreNamed) {
  spec_.add_attacks()->mutable_apgd()->set_loss(v1::APGD_LOSS_TARGETED_DLR);
  EXPECT_THAT(
      Violations(),
      ElementsAre(Pair("model", HasSubstr("has 3 classes; apgd needs 4"))));
}

TEST_F(EvaluationCodecTest, AFixedTargetMustBeAClass) {
  spec_.mutable_goal()->mutable_targeted()->set_target_class(3);
  EXPECT_THAT(Violations(), ElementsAre(Pair("spec.goal.targeted.target_class",
                                             HasSubstr("0 to 2"))));
}

TEST_F(EvaluationCodecTest, ImagesOfAFixedTargetAreNoSamples) {
  spec_.mutable_goal()->mutable_targeted()->set_target_class(1);
  for (const uint64_t samples : {0u, 2u, 1000u}) {
    spec_.set_samples(samples);
    const absl::StatusOr<ResolvedEvaluation> evaluation = Decode();
    ASSERT_TRUE(evaluation.ok()) << evaluation.status();
    EXPECT_EQ(evaluation->indices.size(), samples == 2 ? 2u : 4u);
    const at::Tensor labels = inputs_.dataset->Labels(evaluation->indices);
    EXPECT_FALSE(labels.eq(1).any().item<bool>()) << labels;
  }
}

TEST_F(EvaluationCodecTest, AFixedTargetMustLeaveSamples) {
  Dataset only_ones = MakeDataset();
  only_ones.labels = at::ones_like(only_ones.labels);
  inputs_.dataset = std::make_shared<const Dataset>(only_ones);
  spec_.mutable_goal()->mutable_targeted()->set_target_class(1);
  EXPECT_THAT(Violations(), ElementsAre(Pair("spec.goal.targeted.target_class",
                                             HasSubstr("every image"))));
}

TEST_F(EvaluationCodecTest, OtherRulesKeepAllSamples) {
  spec_.mutable_goal()->mutable_targeted()->set_rule(v1::TARGET_RULE_NEXT);
  const absl::StatusOr<ResolvedEvaluation> evaluation = Decode();
  ASSERT_TRUE(evaluation.ok()) << evaluation.status();
  EXPECT_EQ(evaluation->indices.size(), 6u);
}

TEST_F(EvaluationCodecTest, DataSetAndSourceMustFitTheModel) {
  Dataset other = MakeDataset();
  other.images = at::zeros({6, 3, 4, 4}, at::kByte);
  inputs_.dataset = std::make_shared<const Dataset>(other);
  auto source = std::make_shared<ServedModel>(*MakeToyModel());
  source->network = MakeChannelMeanNetwork({4, 2, 2});
  inputs_.source_model = source;
  EXPECT_THAT(Violations(),
              ElementsAre(Pair("spec.dataset", HasSubstr("{3, 2, 2}")),
                          Pair("spec.source_model", HasSubstr("{3, 2, 2}"))));
}

TEST_F(EvaluationCodecTest, FastNeedsFastPassesOfTheModelItself) {
  spec_.set_precision(v1::PRECISION_FAST);
  EXPECT_THAT(Violations(),
              ElementsAre(Pair("spec.precision",
                               HasSubstr("nothing is faster for this model"))));
  auto fast = std::make_shared<ServedModel>(*inputs_.model);
  fast->network =
      std::make_shared<WithFastPasses>(fast->network, fast->network);
  inputs_.model = fast;
  EXPECT_THAT(Violations(),
              ElementsAre(Pair("spec.precision", HasSubstr("source_model"))));
  inputs_.source_model = fast;
  const auto evaluation = Decode();
  ASSERT_TRUE(evaluation.ok()) << evaluation.status();
  EXPECT_EQ(evaluation->plan.precision, Precision::kFast);
  EXPECT_EQ(evaluation->resolved.spec().precision(), v1::PRECISION_FAST);
  spec_.clear_precision();
  const auto reference = Decode();
  EXPECT_EQ(reference->resolved.spec().precision(), v1::PRECISION_FLOAT32);
  EXPECT_NE(EvaluationId(reference->resolved),
            EvaluationId(evaluation->resolved));
  spec_.set_precision(static_cast<v1::Precision>(7));
  EXPECT_THAT(Violations(),
              ElementsAre(Pair("spec.precision", HasSubstr("is 7"))));
}

TEST_F(EvaluationCodecTest, EightBitAndThesisModeExcludeEachOther) {
  spec_.set_eight_bit(true);
  spec_.add_attacks()->mutable_fgsm()->set_thesis_mode(true);
  EXPECT_THAT(Violations(),
              ElementsAre(Pair("spec.eight_bit", HasSubstr("thesis_mode"))));
  // Nor as a member.
  spec_.mutable_attacks(0)
      ->mutable_auto_attack()
      ->add_members()
      ->mutable_fgsm()
      ->set_thesis_mode(true);
  EXPECT_THAT(Violations(),
              ElementsAre(Pair("spec.eight_bit", HasSubstr("thesis_mode"))));
}

TEST_F(EvaluationCodecTest, BytesChangeByWholeLevels) {
  spec_.set_eight_bit(true);
  spec_.add_epsilons()->set_pixels(0);
  spec_.add_epsilons()->set_pixels(.003);
  EXPECT_THAT(Violations(),
              ElementsAre(Pair("spec.eight_bit",
                               "must be false with an epsilon of 0.003; the "
                               "least change of a byte is 1/255")));
  spec_.set_norm(v1::NORM_L2);
  spec_.add_attacks()->mutable_pgd();
  EXPECT_THAT(Violations(), IsEmpty());
}

}  // namespace
}  // namespace adv
