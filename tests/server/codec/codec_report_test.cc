#include <gmock/gmock.h>

#include <cmath>

#include "server/codec/codec.h"
#include "tests/server/codec/evaluation_codec_fixture.h"

namespace adv {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

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
                              const std::vector<std::string>& names = {"red",
                                                                       "green",
                                                                       "blue"},
                              int clean_prediction = 0) const {
    const auto decoded = Decode();
    std::vector<SampleRecord> records(2);
    for (SampleRecord& record : records) {
      record.prediction = clean_prediction;
      record.attacks.resize(decoded->plan.attacks.size());
    }
    records[0].index = 0;
    records[1].index = 3;
    records[1].attacks[0].prediction = 2;
    records[1].attacks[0].success = true;
    records[1].attacks[0].iterations = 1;
    return EncodeReport(BuildReport(decoded->plan, {names}, records),
                        decoded->resolved, manifest, names);
  }
};

// One image is right only with its perturbation: that is no infinite gain.
TEST_F(ReportCodecTest, NothingRightBeforeGivesNoRelativeDrop) {
  const v1::EvaluationReport report =
      Encode(v1::ModelManifest(), {"red", "green", "blue"}, 1);
  EXPECT_EQ(report.clean_accuracy().count(), 0);
  EXPECT_EQ(report.results(0).overall().clean_wrong_adversarial_right(), 1);
  EXPECT_TRUE(std::isnan(report.results(0).relative_drop()));
}

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
