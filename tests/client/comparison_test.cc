// The models beside the thesis: which rows there are, what is in them, and the
// intervals.
#include "client/evaluations/comparison.h"

#include <string>
#include <vector>

#include "client/evaluations/difference.h"
#include "client/evaluations/protocol.h"
#include "client/evaluations/thesis.h"
#include "client/printers/comparison.h"
#include "client/printers/numbers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/fake_server.h"
#include "tests/client/golden.h"

namespace adv {
namespace {

using testing::CannedModel;
using ::testing::ElementsAre;
using testing::Golden;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::WidestLine;

std::vector<ComparisonRow> Zoo() {
  return CompareWithThesis({CannedModel("balanced"), CannedModel("no-cat")});
}

std::string Text(const std::vector<ComparisonRow>& rows, bool wide = false) {
  return ComparisonText(rows, {}, wide, Style(false));
}

const ComparisonRow& Row(const std::vector<ComparisonRow>& rows,
                         const std::string& name) {
  for (const ComparisonRow& row : rows) {
    if (row.name == name) return row;
  }
  ADD_FAILURE() << "no row " << name;
  return rows.front();
}

// The examples of Newcombe (1998), table II, method 10.
TEST(DifferenceTest, AgreesWithNewcombe) {
  struct Example {
    int a, m, b, n;
    double lower, upper;
  };
  for (const Example& one : std::vector<Example>{
           {56, 70, 48, 80, .0524, .3339},
           {9, 10, 3, 10, .1705, .8090},
           {6, 7, 2, 7, .0582, .8062},
           {5, 56, 0, 29, -.0381, .1926},
           {0, 10, 0, 20, -.1611, .2775},
           {0, 10, 0, 10, -.2775, .2775},
           {10, 10, 0, 20, .6791, 1},
           {10, 10, 0, 10, .6075, 1},
       }) {
    const Difference difference =
        MakeDifference(MakeRate(one.a, one.m), MakeRate(one.b, one.n));
    EXPECT_NEAR(difference.lower, one.lower, 5e-5) << one.a << "/" << one.m;
    EXPECT_NEAR(difference.upper, one.upper, 5e-5) << one.a << "/" << one.m;
  }
  EXPECT_NEAR(MakeDifference(MakeRate(56, 70), MakeRate(48, 80)).value, .2,
              1e-12);
}

TEST(DifferenceTest, TurnsItsSignWithItsOperands) {
  const auto a = MakeRate(134, 1000), b = MakeRate(581, 1000);
  EXPECT_DOUBLE_EQ(MakeDifference(a, b).lower, -MakeDifference(b, a).upper);
  EXPECT_TRUE(ExcludesZero(MakeDifference(a, b)));
  EXPECT_TRUE(ExcludesZero(MakeDifference(b, a)));
  EXPECT_FALSE(ExcludesZero(MakeDifference(a, a)));
}

TEST(ThesisTest, HasTheElevenModelsOfTable52) {
  const auto& table = ThesisTable();
  ASSERT_EQ(table.size(), 11u);
  EXPECT_EQ(table[0].accuracy, .8345);
  EXPECT_EQ(table[0].loss, .5033);
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(table[i + 1].class_name, testing::ClassNames()[i]);
    EXPECT_EQ(table[i + 1].model, "no-" + testing::ClassNames()[i]);
  }
  EXPECT_EQ(table[4].accuracy, .7931);
  EXPECT_EQ(table[4].class_accuracy, .26);
}

TEST(ComparisonTest, RowsAreInTheOrderOfTheThesis) {
  std::vector<v1::Model> models;
  for (const char* name : {"zebra", "only-truck", "only-cat", "no-cat-fgsm",
                           "no-cat", "no-zebra", "balanced"}) {
    models.push_back(CannedModel(name));
  }
  std::vector<std::string> names;
  for (const auto& row : CompareWithThesis(models)) names.push_back(row.name);
  EXPECT_THAT(names,
              ElementsAre("balanced", "no-airplane", "no-automobile", "no-bird",
                          "no-cat", "no-deer", "no-dog", "no-frog", "no-horse",
                          "no-ship", "no-truck", "only-cat", "only-truck",
                          "no-cat-fgsm", "no-zebra", "zebra"));
}

TEST(ComparisonTest, AModelStandsBesideTheThesisAndTheBalancedOne) {
  const auto rows = Zoo();
  const ComparisonRow row = Row(rows, "no-cat");
  EXPECT_EQ(row.thesis->accuracy, .7931);
  EXPECT_EQ(row.accuracy->total(), 10000);
  EXPECT_EQ(row.class_accuracy->count(), 260);
  EXPECT_EQ(row.balanced_class_accuracy->count(), 820);
  // 260 of 998 and 820 of 1000: the canned confusions are rounded down.
  EXPECT_NEAR(row.delta->value, 260. / 998 - .82, 1e-12);
  EXPECT_TRUE(ExcludesZero(*row.delta));
  EXPECT_FALSE(Row(rows, "balanced").delta);
  EXPECT_FALSE(Row(rows, "no-dog").model);
  EXPECT_EQ(Row(rows, "no-dog").balanced_class_accuracy->count(), 820);
}

TEST(ComparisonTest, OldManifestsLeaveGaps) {
  v1::Model model = CannedModel("no-cat");
  model.mutable_manifest()->clear_training();
  const auto rows = CompareWithThesis({model});
  const ComparisonRow row = Row(rows, "no-cat");
  EXPECT_TRUE(row.model);
  EXPECT_FALSE(row.accuracy);
  EXPECT_FALSE(row.loss);
  EXPECT_FALSE(row.class_accuracy);
  EXPECT_FALSE(row.delta);
  EXPECT_THAT(Text(rows), HasSubstr("no-cat  –         –              –"));
  EXPECT_THAT(Text(rows), Not(HasSubstr("nan")));
  EXPECT_THAT(Text(rows), Not(HasSubstr("Further images")));
  EXPECT_TRUE(Summarize(rows).empty());
}

TEST(ComparisonTest, AClassIsKnownByTheModelsNameIfByNothingElse) {
  v1::Model model = CannedModel("only-dog");
  model.mutable_manifest()->mutable_training()->clear_special_label();
  const auto rows = CompareWithThesis({model});
  EXPECT_EQ(Row(rows, "only-dog").class_name, "dog");
  EXPECT_EQ(Row(rows, "only-dog").class_accuracy->count(), 820);
}

TEST(ComparisonTest, ABrokenConfusionMatrixIsNotRead) {
  v1::Model model = CannedModel("no-cat");
  auto* test = model.mutable_manifest()->mutable_training()->mutable_test();
  test->mutable_confusion()->RemoveLast();
  EXPECT_FALSE(ClassAccuracy(model.manifest(), "cat"));
  test->add_confusion(0);
  EXPECT_TRUE(ClassAccuracy(model.manifest(), "cat"));
  EXPECT_FALSE(ClassAccuracy(model.manifest(), "lion"));
}

TEST(ComparisonTest, ModelsOfOtherTestImagesHaveNoDelta) {
  v1::Model other = CannedModel("no-cat");
  other.mutable_manifest()->mutable_training()->set_test_data_sha256("0");
  const auto rows = CompareWithThesis({CannedModel("balanced"), other});
  EXPECT_FALSE(Row(rows, "no-cat").delta);
  EXPECT_FALSE(Row(rows, "no-cat").balanced_class_accuracy);
  EXPECT_TRUE(Row(rows, "no-cat").class_accuracy);
}

TEST(ComparisonTest, OtherNetworksAndStartsAreTold) {
  v1::Model model = CannedModel("vgg");
  auto* manifest = model.mutable_manifest();
  manifest->set_architecture("vgg16_transfer");
  manifest->mutable_training()->mutable_initial_weights()->set_file("w.st");
  const auto rows = CompareWithThesis({model});
  EXPECT_THAT(Text(rows), HasSubstr("quick, vgg16_transfer, from w.st"));
  EXPECT_THAT(ComparisonCsv(rows).ToCsv(), HasSubstr(",quick,w.st,12,"));
  EXPECT_EQ(
      ComparisonJson(rows, {})["models"][11]["ours"]["initial_weights"]["file"],
      "w.st");
}

TEST(ComparisonTest, SumsUpEachFamily) {
  const auto families = Summarize(
      CompareWithThesis({CannedModel("balanced"), CannedModel("no-cat"),
                         CannedModel("no-dog"), CannedModel("only-cat")}));
  ASSERT_EQ(families.size(), 2u);
  EXPECT_EQ(families[0].family, "no-*");
  EXPECT_EQ(families[0].models, 2);
  EXPECT_EQ(families[0].lost, 1);  // no-dog is as good as balanced
  EXPECT_EQ(families[0].clearly_lost, 1);
  EXPECT_EQ(families[0].gained, 0);
  EXPECT_EQ(families[1].family, "only-*");
  EXPECT_EQ(families[1].models, 1);
}

TEST(ComparisonTest, LooksAsItShould) {
  EXPECT_EQ(Text(Zoo()), Golden("models_table.txt"));
  EXPECT_EQ(Text(Zoo(), true), Golden("models_table_wide.txt"));
  EXPECT_EQ(Text(CompareWithThesis({})), Golden("models_table_empty.txt"));
  EXPECT_EQ(ComparisonCsv(Zoo()).ToCsv(), Golden("models_table.csv"));
}

TEST(ComparisonTest, FitsIn80Columns) {
  std::vector<v1::Model> models = {CannedModel("balanced")};
  for (const auto& row : ThesisTable()) {
    models.push_back(CannedModel(row.model));
    models.push_back(CannedModel("only-" + row.class_name));
    models.back().mutable_manifest()->mutable_training()->set_dataset(
        "cifar10-jpeg75");
  }
  EXPECT_LE(WidestLine(Text(CompareWithThesis(models))), 80u);
  EXPECT_LE(WidestLine(Text(CompareWithThesis({}))), 80u);
}

TEST(ComparisonTest, JsonSaysNullForWhatIsNotKnown) {
  const auto json = ComparisonJson(Zoo(), {"a note"});
  EXPECT_EQ(json["source"], kThesisSource);
  EXPECT_EQ(json["notes"][0], "a note");
  const auto& balanced = json["models"][0];
  EXPECT_EQ(balanced["thesis"]["accuracy"], .8345);
  EXPECT_EQ(balanced["thesis"]["validation_loss"], .5033);
  EXPECT_TRUE(balanced["thesis"]["class_accuracy"].is_null());
  EXPECT_TRUE(balanced["class"].is_null());
  EXPECT_TRUE(balanced["delta"].is_null());
  const auto& no_cat = json["models"][4];
  EXPECT_EQ(no_cat["class"], "cat");
  EXPECT_EQ(no_cat["ours"]["accuracy"]["total"], "10000");
  EXPECT_EQ(no_cat["ours"]["protocol"], "quick");
  EXPECT_EQ(no_cat["ours"]["wall_seconds"], 1505);
  EXPECT_EQ(no_cat["ours"]["device"], "CPU: Fake 9000");
  EXPECT_EQ(no_cat["ours"]["other_tests"][0]["accuracy"]["count"], "780");
  EXPECT_EQ(no_cat["delta"]["excludes_zero"], true);
  EXPECT_TRUE(json["models"][1]["ours"].is_null());
  EXPECT_TRUE(json["models"][1]["accuracy_difference"].is_null());
  EXPECT_EQ(json["summary"][0]["clearly_lost"], 1);
}

v1::TrainingSettings ThesisSettings() {
  v1::TrainingSettings settings;
  settings.set_seed(7);
  settings.set_batch_size(32);
  settings.set_max_epochs(200);
  settings.set_learning_rate(1e-4);
  settings.set_decay_per_update(1e-5);
  settings.set_rho(.9);
  settings.set_optimizer_epsilon(1e-8);
  settings.set_validation_fraction(.1);
  settings.set_patience(10);
  settings.set_min_delta(1e-4);
  return settings;
}

TEST(ProtocolTest, NamesWhatIsKnownAndHowItDiffers) {
  EXPECT_EQ(ProtocolText({}), "");
  v1::TrainingSettings settings = ThesisSettings();
  EXPECT_EQ(ProtocolText(settings), "thesis");
  settings.set_horizontal_flips(true);
  settings.set_patience(5);
  EXPECT_EQ(ProtocolText(settings), "thesis, patience 5, flips");
  settings.set_batch_size(128);
  settings.set_rho(.99);
  EXPECT_EQ(ProtocolText(settings), "own");
  settings = CannedModel("balanced").manifest().training().settings();
  EXPECT_EQ(ProtocolText(settings), "quick");
  settings.set_horizontal_flips(false);
  EXPECT_EQ(ProtocolText(settings), "quick, no flips");
  settings.clear_learning_rate_drops();
  EXPECT_EQ(ProtocolText(settings), "quick, no flips, no rate drops");
}

TEST(ProtocolTest, TellsAdversarialTrainingAndNotTheBoundOnTheLoss) {
  v1::TrainingSettings settings = ThesisSettings();
  settings.set_max_loss(100);
  settings.set_shuffle_on_device(true);
  EXPECT_EQ(ProtocolText(settings), "thesis");
  auto* adversarial = settings.mutable_adversarial();
  adversarial->set_method(v1::ADVERSARIAL_TRAINING_METHOD_PGD);
  adversarial->set_epsilon(8.0 / 255);
  EXPECT_EQ(ProtocolText(settings), "thesis, PGD within 8/255");
  adversarial->set_method(v1::ADVERSARIAL_TRAINING_METHOD_FGSM);
  EXPECT_EQ(ProtocolText(settings), "thesis, FGSM within 8/255");
}

TEST(ProtocolTest, SettingsOfANewerTrainerAreNotTheThesiss) {
  v1::TrainingSettings settings = ThesisSettings();
  v1::TrainingSettings::GetReflection()
      ->MutableUnknownFields(&settings)
      ->AddVarint(500, 1);
  EXPECT_EQ(ProtocolText(settings),
            "thesis, settings that this advctl does not know");
}

}  // namespace
}  // namespace adv
