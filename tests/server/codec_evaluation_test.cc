#include "server/codec/codec_evaluation.h"

#include <ATen/ATen.h>
#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>

#include "server/codec/codec.h"
#include "tests/server/toy_model.h"
#include "tests/server/violations.h"

namespace adv {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

// Six images, two of each class.
Dataset MakeDataset() {
  Dataset dataset;
  dataset.name = "colours";
  dataset.class_names = {"red", "green", "blue"};
  dataset.images = at::zeros({6, 3, 2, 2}, at::kByte);
  dataset.labels = at::tensor({0, 1, 2, 0, 1, 2}, at::kLong);
  dataset.digest = std::string(64, 'e');
  return dataset;
}

class EvaluationCodecTest : public ::testing::Test {
 protected:
  EvaluationCodecTest() {
    inputs_.model = inputs_.source_model = MakeToyModel();
    inputs_.dataset = std::make_shared<const Dataset>(MakeDataset());
  }
  absl::StatusOr<ResolvedEvaluation> Decode() const {
    return DecodeEvaluationSpec(spec_, inputs_, limits_);
  }
  std::vector<std::pair<std::string, std::string>> Violations() const {
    return ViolationsOf(Decode().status());
  }

  v1::EvaluationSpec spec_;
  Limits limits_;
  EvaluationInputs inputs_;
};

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

TEST(CodecTest, RecordsSurviveTheWayThereAndBack) {
  SampleRecord record;
  record.index = 12;
  record.label = 3;
  record.prediction = 4;
  record.confidence = .75;
  record.label_confidence = .125;
  AttackRecord attack;
  attack.target = 5;
  attack.prediction = 6;
  attack.confidence = .5;
  attack.label_confidence = .25;
  attack.success = true;
  attack.iterations = 7;
  attack.zero_gradient = true;
  attack.gradients = 8;
  attack.forwards = 9;
  attack.l0 = 10;
  attack.l2 = 1.5;
  attack.linf = .03125;
  attack.clean_rank = 4;
  attack.member = 2;
  record.attacks = {attack};
  const v1::EvaluationRecord message = EncodeRecord(record);
  EXPECT_EQ(message.attacks(0).target(), 5);
  EXPECT_EQ(message.attacks(0).linf(), .03125);
  EXPECT_EQ(EncodeRecord(DecodeRecord(message)).SerializeAsString(),
            message.SerializeAsString());
}

class ReportCodecTest : public EvaluationCodecTest {
 protected:
  // Both red samples: one stays right, one is fooled.
  v1::EvaluationReport Encode(const v1::ModelManifest& manifest,
                              const std::vector<std::string>& names = {
                                  "red", "green", "blue"}) const {
    const auto decoded = Decode();
    std::vector<SampleRecord> records(2);
    for (SampleRecord& record : records) {
      record.attacks.resize(decoded->plan.attacks.size());
    }
    records[0].index = 0;
    records[1].index = 3;
    records[1].attacks[0].prediction = 2;
    records[1].attacks[0].success = true;
    records[1].attacks[0].iterations = 1;
    return EncodeReport(BuildReport(decoded->plan, names, records),
                        decoded->resolved, manifest, names);
  }
};

TEST_F(ReportCodecTest, AThousandClassesDoNotCostTheirSquare) {
  std::vector<std::string> names;
  for (int i = 0; i < 1000; ++i) names.push_back(absl::StrCat("class ", i));
  const v1::EvaluationReport report = Encode(v1::ModelManifest(), names);
  const v1::ConfusionMatrix& confusion = report.results(0).confusion();
  EXPECT_EQ(confusion.classes(), 1000);
  EXPECT_EQ(confusion.counts_size(), 0);
  ASSERT_EQ(confusion.entries_size(), 2);
  EXPECT_EQ(confusion.entries(0).predicted(), 0);
  EXPECT_EQ(confusion.entries(1).label(), 0);
  EXPECT_EQ(confusion.entries(1).predicted(), 2);
  EXPECT_EQ(confusion.entries(1).count(), 1);
  EXPECT_EQ(report.results(0).goals().source_target().entries_size(), 1);
  // Some hundred bytes for each class, none for their pairs.
  EXPECT_LT(report.ByteSizeLong(), 1'000'000);
}

TEST_F(ReportCodecTest, CountsComeFirstAndRatesNameThem) {
  const v1::EvaluationReport report = Encode(v1::ModelManifest());
  EXPECT_FALSE(report.has_special_label());
  EXPECT_EQ(report.clean_accuracy().count(), 2);
  EXPECT_EQ(report.clean_accuracy_per_class_size(), 3);
  EXPECT_EQ(report.clean_confusion().counts(0), 2);
  ASSERT_EQ(report.results_size(), 2);
  const v1::AttackResult& fgsm = report.results(0);
  EXPECT_EQ(fgsm.attack_name(), "fgsm");
  EXPECT_DOUBLE_EQ(fgsm.epsilon().pixels(), 8.0 / 255);
  EXPECT_EQ(fgsm.overall().clean_right_adversarial_right(), 1);
  EXPECT_EQ(fgsm.overall().clean_right_adversarial_wrong(), 1);
  EXPECT_EQ(fgsm.overall().robust_accuracy().count(), 1);
  EXPECT_EQ(fgsm.overall().robust_accuracy().total(), 2);
  EXPECT_DOUBLE_EQ(fgsm.overall().attack_success().value(), .5);
  EXPECT_DOUBLE_EQ(fgsm.relative_drop(), .5);
  EXPECT_FALSE(fgsm.has_target_hits());
  EXPECT_EQ(fgsm.constraint_violations(), 0);
  EXPECT_EQ(fgsm.goals().misclassification().count(), 1);
  EXPECT_EQ(fgsm.goals().misclassification().total(), 2);
  EXPECT_FALSE(fgsm.goals().has_targeted_misclassification());
  EXPECT_EQ(fgsm.goals().source_target_pairs().count(), 1);
  EXPECT_EQ(fgsm.goals().source_target_pairs().total(), 6);
  EXPECT_EQ(fgsm.kinds().refocused(), 1);
  EXPECT_THAT(fgsm.kinds().rule(), HasSubstr("re-focused"));
  EXPECT_EQ(fgsm.members_size(), 0);
  EXPECT_EQ(fgsm.per_class(2).class_name(), "blue");
  EXPECT_EQ(fgsm.confusion().counts(2), 1);
  // Kurakin's rule for 8 levels.
  EXPECT_EQ(report.results(1).attack().igsm().steps(), 10);
}

TEST_F(ReportCodecTest, TheSpecialLabelIsTheManifests) {
  v1::ModelManifest manifest;
  manifest.mutable_training()->set_special_label(0);
  EXPECT_TRUE(Encode(manifest).has_special_label());
  EXPECT_EQ(Encode(manifest).special_label(), 0);
}

TEST_F(ReportCodecTest, TargetHitsAreThereWhenThereAreTargets) {
  spec_.mutable_goal()->mutable_targeted()->set_rule(v1::TARGET_RULE_NEXT);
  EXPECT_TRUE(Encode(v1::ModelManifest()).results(0).has_target_hits());
}

}  // namespace
}  // namespace adv
