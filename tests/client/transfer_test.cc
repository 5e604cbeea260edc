// The transfer matrix: what is shown of it.
#include "client/printers/transfer.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/attacks/attack_flags.h"
#include "client/attacks/epsilon.h"
#include "client/evaluations/transfer_matrix.h"
#include "client/printers/report.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/fake_server.h"
#include "tests/client/golden.h"

namespace adv {
namespace {

using testing::Golden;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::WidestLine;

TransferMatrix Canned(const std::vector<std::string>& sources,
                      const std::vector<std::string>& targets) {
  TransferMatrix matrix{sources, targets, {}};
  for (const std::string& source : sources) {
    for (const std::string& target : targets) {
      v1::EvaluationSpec spec;
      spec.set_model(target);
      if (source != target) spec.set_source_model(source);
      spec.add_attacks()->mutable_fgsm();
      spec.add_epsilons()->set_pixels(.01);
      matrix.evaluations.push_back(testing::CannedEvaluation(spec));
    }
  }
  return matrix;
}

TEST(TransferTest, LooksAsItShould) {
  EXPECT_EQ(TransferText(Canned({"balanced", "no-cat"}, {"balanced", "no-cat"}),
                         TransferMeasure::kRobust, Style(false)),
            Golden("transfer.txt"));
}

TEST(TransferTest, OtherMeasures) {
  const auto matrix = Canned({"balanced"}, {"balanced"});
  const v1::Outcomes& all = matrix.At(0, 0).results(0).overall();
  const std::string success =
      TransferText(matrix, TransferMeasure::kSuccess, Style(false));
  EXPECT_THAT(success, HasSubstr("attack success"));
  EXPECT_THAT(success, HasSubstr("[70.5]"));
  EXPECT_DOUBLE_EQ(MeasureOf(all, TransferMeasure::kSuccess).value(),
                   all.attack_success().value());
  EXPECT_DOUBLE_EQ(MeasureOf(all, TransferMeasure::kPerturbed).value(),
                   all.perturbed_accuracy().value());
  // No target has a marked class.
  EXPECT_THAT(success, Not(HasSubstr("otherwise")));
  EXPECT_EQ(*ParseMeasure("perturbed"), TransferMeasure::kPerturbed);
  EXPECT_THAT(std::string(ParseMeasure("x").status().message()),
              HasSubstr("allowed are robust, success and perturbed"));
}

TEST(TransferTest, ManyTargetsStandInSeveralBlocks) {
  std::vector<std::string> models;
  for (int i = 0; i < 21; ++i) models.push_back(absl::StrCat("only-name", i));
  const std::string text = TransferText(Canned(models, models),
                                        TransferMeasure::kRobust, Style(false));
  EXPECT_LE(WidestLine(text), 100u);
  for (const std::string& model : models) EXPECT_THAT(text, HasSubstr(model));
}

TEST(TransferTest, DistinctWarningsAreTold) {
  TransferMatrix matrix = Canned({"balanced", "no-cat"}, {"balanced"});
  for (v1::Evaluation& one : matrix.evaluations) {
    for (int i = 0; i < 7; ++i) {
      one.mutable_report()->add_warnings(absl::StrCat("number ", i));
    }
  }
  const std::string text =
      TransferText(matrix, TransferMeasure::kRobust, Style(false));
  EXPECT_THAT(text, HasSubstr("\nwarning: number 0\nwarning: number 1\n"));
  EXPECT_THAT(text, HasSubstr("\nwarning: number 4\n"
                              "and 2 more; --output=json tells them\n"));
}

TEST(TransferTest, WithoutGradientsImagesAreMadeOnTheSource) {
  TransferMatrix matrix = Canned({"balanced"}, {"no-cat"});
  v1::EvaluationReport& report = *matrix.evaluations[0].mutable_report();
  for (v1::Attack* attack :
       {report.mutable_resolved()->mutable_spec()->mutable_attacks(0),
        report.mutable_results(0)->mutable_attack()}) {
    *attack = *ParseAttack("square");
  }
  const std::string text =
      TransferText(matrix, TransferMeasure::kRobust, Style(false));
  EXPECT_THAT(text, HasSubstr("  made on "));
  EXPECT_THAT(text, Not(HasSubstr("gradients")));
}

TEST(TransferTest, JsonHasEveryCount) {
  const auto json = TransferJson(Canned({"no-cat"}, {"balanced", "no-cat"}),
                                 TransferMeasure::kRobust);
  EXPECT_EQ(json["measure"], "robust");
  ASSERT_EQ(json["pairs"].size(), 2u);
  const auto& black = json["pairs"][0];
  EXPECT_EQ(black["source"], "no-cat");
  EXPECT_EQ(black["target"], "balanced");
  EXPECT_EQ(black["white_box"], false);
  EXPECT_TRUE(black["marked_label"].is_null());
  EXPECT_EQ(black["per_class"].size(), 10u);
  EXPECT_TRUE(black["overall"]["robust_accuracy"].contains("lower"));
  EXPECT_EQ(json["pairs"][1]["white_box"], true);
  EXPECT_EQ(json["pairs"][1]["marked_label"], 3);
}

}  // namespace
}  // namespace adv
