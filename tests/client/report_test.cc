// Reports and records, as people and programs get to see them.
#include "client/printers/report.h"

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "client/attacks/attack_flags.h"
#include "client/attacks/epsilon.h"
#include "client/printers/json.h"
#include "client/printers/numbers.h"
#include "client/printers/records.h"
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

v1::Evaluation Measured(const std::string& model, const std::string& attacks,
                        const std::string& epsilons) {
  v1::EvaluationSpec spec;
  spec.set_model(model);
  for (const auto name : absl::StrSplit(attacks, ',')) {
    *spec.add_attacks() = *ParseAttack(std::string(name));
  }
  const auto parsed = ParseEpsilons(epsilons);
  EXPECT_TRUE(parsed.ok()) << parsed.status();
  for (const auto& epsilon : *parsed) *spec.add_epsilons() = epsilon;
  return testing::CannedEvaluation(spec);
}

ModelResults Default() {
  return {
      {Measured("no-cat", "fgsm", "0.01"), Measured("no-cat", "igsm", "2/255")},
      {Measured("balanced", "fgsm", "0.01"),
       Measured("balanced", "igsm", "2/255")}};
}

TEST(ReportTest, TheShortQuestionLooksAsItShould) {
  EXPECT_EQ(ReportText(Default(), Style(false)), Golden("evaluate_no_cat.txt"));
}

TEST(ReportTest, ASweepLooksAsItShould) {
  const ModelResults results = {{Measured("no-cat", "igsm", "0:8/255:1/255")},
                                {}};
  EXPECT_EQ(ReportText(results, Style(false)), Golden("evaluate_sweep.txt"));
}

// The first line of the report that begins with `name`, as a table has it.
std::string RowOf(const v1::Evaluation& evaluation, const std::string& name) {
  const std::string text = ReportText({{evaluation}, {}}, Style(false));
  const std::size_t begin = text.find("\n  " + name + " ");
  if (begin == std::string::npos) return "no such row";
  return text.substr(begin + 1, text.find('\n', begin + 1) - begin - 1);
}

TEST(ReportTest, WhatASweepLacksLeavesItsCellEmpty) {
  v1::Evaluation evaluation = Measured("no-cat", "auto-attack", "0:0.05:0.01");
  const std::vector<std::string> names = {"truck", "Square"};
  const std::vector<std::string> whole = {RowOf(evaluation, names[0]),
                                          RowOf(evaluation, names[1])};
  auto* result = evaluation.mutable_report()->mutable_results(2);
  result->mutable_per_class()->RemoveLast();
  result->mutable_members()->RemoveLast();
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::string row = RowOf(evaluation, names[i]);
    EXPECT_NE(row, whole[i]);
    ASSERT_EQ(row.size(), whole[i].size());
    EXPECT_TRUE(std::equal(row.begin(), row.end(), whole[i].begin(),
                           [](char a, char b) { return a == b || a == ' '; }))
        << row;
  }
}

TEST(ReportTest, FitsIn100Columns) {
  EXPECT_LE(WidestLine(ReportText(Default(), Style(false))), 100u);
  const ModelResults sweep = {
      {Measured("no-cat", "fgsm,igsm", "0:0.2:0.01")},
      {Measured("balanced", "fgsm,igsm", "0:0.2:0.01")}};
  EXPECT_LE(WidestLine(ReportText(sweep, Style(false))), 100u);
}

TEST(ReportTest, MarksTheClassWithAndWithoutColour) {
  EXPECT_THAT(ReportText(Default(), Style(false)), HasSubstr("▶ cat "));
  EXPECT_THAT(ReportText(Default(), Style(true)),
              HasSubstr("\x1b[1;33m▶ cat "));
  const ModelResults balanced = {{Measured("balanced", "fgsm", "0.01")}, {}};
  EXPECT_THAT(ReportText(balanced, Style(false)), Not(HasSubstr("▶")));
}

TEST(ReportTest, AMarkedClassOutOfRangeIsNotShown) {
  v1::Evaluation evaluation = Measured("no-cat", "fgsm", "0.01");
  for (const int label : {-1, 10}) {
    evaluation.mutable_report()->set_special_label(label);
    EXPECT_THAT(ReportText({{evaluation}, {}}, Style(false)),
                Not(HasSubstr("▶")));
  }
}

TEST(ReportTest, WarningsAreToldOnce) {
  ModelResults results = Default();
  for (auto& one : results.evaluations) {
    one.mutable_report()->add_warnings("larger epsilon, higher accuracy");
  }
  const std::string text = ReportText(results, Style(false));
  const std::string warning =
      "warning: no-cat: larger epsilon, higher accuracy";
  const std::size_t first = text.find(warning);
  ASSERT_NE(first, std::string::npos);
  EXPECT_EQ(text.find(warning, first + 1), std::string::npos);
}

TEST(ReportTest, WhatWasNotCheckedIsToldOnceAsAFootnote) {
  ModelResults results = Default();
  for (auto* list : {&results.evaluations, &results.beside}) {
    for (v1::Evaluation& one : *list) {
      one.mutable_report()->add_unchecked(
          "a larger epsilon: needs several epsilons");
      one.mutable_report()->add_unchecked(
          "attacks without gradients: needs one, like square, beside one with");
    }
  }
  const std::string text = ReportText(results, Style(false));
  EXPECT_THAT(
      text, HasSubstr("\n\nnot checked: a larger epsilon (needs several "
                      "epsilons); attacks without gradients (needs one, like\n"
                      "square, beside one with)\n\nserver"));
  EXPECT_THAT(ReportText(Default(), Style(false)), Not(HasSubstr("checked")));
}

TEST(ReportTest, ConfidenceAndAccuracyMayRise) {
  v1::Evaluation evaluation = Measured("no-cat", "noise", "0.01");
  auto* result = evaluation.mutable_report()->mutable_results(0);
  const auto facts = [&](double confidence, double accuracy) {
    result->set_mean_confidence_drop(confidence);
    result->set_relative_drop(accuracy);
    const std::string text = ReportText({{evaluation}, {}}, Style(false));
    const std::size_t begin = text.find("confidence in");
    return text.substr(begin, text.find(", mean L2") - begin);
  };
  EXPECT_EQ(facts(-.0123, -.005),
            "confidence in the label rises by 0.01, relative drop -0.5%");
  EXPECT_EQ(facts(-.001, -.0001),
            "confidence in the label falls by 0.00, relative drop 0.0%");
  EXPECT_EQ(facts(.61, std::numeric_limits<double>::quiet_NaN()),
            "confidence in the label falls by 0.61");
}

TEST(ReportTest, AGradientOfAnotherEpsilonIsShared) {
  v1::Evaluation evaluation = Measured("no-cat", "fgsm", "0.01,0.02");
  const auto free = [&](int result) {
    auto* cost =
        evaluation.mutable_report()->mutable_results(result)->mutable_cost();
    cost->set_gradients(0);
    cost->set_gradients_per_image(0);
  };
  free(1);
  const std::string text = absl::StrReplaceAll(
      ReportText({{evaluation}, {}}, Style(false)), {{"\n    ", " "}});
  EXPECT_THAT(text, HasSubstr(", 1 gradient an image\n"));
  EXPECT_THAT(text, HasSubstr(", gradient shared with epsilon 0.01\n"));
  evaluation = Measured("no-cat", "fgsm", "0.01:0.03:0.01");
  free(1);
  free(2);
  EXPECT_THAT(ReportText({{evaluation}, {}}, Style(false)),
              HasSubstr(" shared "));
}

TEST(ReportTest, QueriesOfAnotherEpsilonAreShared) {
  v1::Evaluation evaluation = Measured("no-cat", "square", "0.01,0.02");
  auto* cost = evaluation.mutable_report()->mutable_results(1)->mutable_cost();
  cost->set_forwards(0);
  cost->set_forwards_per_image(0);
  const std::string text = absl::StrReplaceAll(
      ReportText({{evaluation}, {}}, Style(false)), {{"\n    ", " "}});
  EXPECT_THAT(text, HasSubstr(", 1,235 queries an image\n"));
  EXPECT_THAT(text, HasSubstr(", queries shared with epsilon 0.01\n"));
}

TEST(ReportTest, SlowRunsHaveASpeed) {
  v1::Evaluation evaluation = Measured("no-cat", "fgsm", "0.01");
  evaluation.mutable_report()->mutable_environment()->set_samples_per_second(
      .123);
  EXPECT_THAT(ReportText({{evaluation}, {}}, Style(false)),
              HasSubstr("FGSM         0.12      1.2"));
}

TEST(ReportTest, TellsWhatImagesWereMadeOn) {
  const auto header = [](const std::string& attacks) {
    v1::Evaluation evaluation = Measured("no-cat", attacks, "0.01");
    auto* source =
        evaluation.mutable_report()->mutable_resolved()->mutable_source_model();
    source->set_name("balanced");
    source->set_version(1);
    source->set_digest("other");
    return ReportText({{evaluation}, {}}, Style(false));
  };
  EXPECT_THAT(header("fgsm,noise"), HasSubstr(", gradients from balanced@1"));
  EXPECT_THAT(header("square,noise"), HasSubstr(", made on balanced@1"));
}

TEST(ReportTest, SeveralModelsStandSideBySide) {
  std::vector<ModelResults> models(2);
  models[0].evaluations = {Measured("no-cat", "fgsm", "0.01")};
  models[1].evaluations = {Measured("balanced", "fgsm", "0.01")};
  const std::string text = SummaryText(models, Style(false));
  EXPECT_THAT(text, HasSubstr("no-cat@1"));
  EXPECT_THAT(text, HasSubstr("balanced@1"));
}

TEST(ReportTest, CsvHasARowForEveryCount) {
  const std::string csv =
      ReportCsv({Measured("no-cat", "fgsm,igsm", "0.01,2/255"),
                 Measured("balanced", "fgsm", "0.01")});
  const std::vector<std::string> lines = absl::StrSplit(csv, '\n');
  // Header, 5 results of 10 classes and all together, and the last newline.
  ASSERT_EQ(lines.size(), 1u + 5 * 11 + 1);
  const auto commas = [](const std::string& line) {
    return std::count(line.begin(), line.end(), ',');
  };
  for (std::size_t i = 0; i + 1 < lines.size(); ++i) {
    EXPECT_EQ(commas(lines[i]), commas(lines[0])) << lines[i];
  }
  EXPECT_THAT(lines[0], HasSubstr(",clean_right_adversarial_right,"));
  EXPECT_THAT(lines[1], HasSubstr(",fgsm,,0.01,untargeted,,all,,1000,"));
  EXPECT_THAT(lines[5], HasSubstr(",3,cat,true,100,7,19,1,73,"));
}

// The value of a column of a CSV's line; nothing here is quoted.
std::string Cell(const std::vector<std::string>& lines, std::size_t line,
                 const std::string& column) {
  const std::vector<std::string> names = absl::StrSplit(lines.at(0), ',');
  const std::vector<std::string> cells = absl::StrSplit(lines.at(line), ',');
  const auto found = std::find(names.begin(), names.end(), column);
  return found == names.end() ? "no such column"
                              : cells.at(found - names.begin());
}

TEST(ReportTest, CsvHasGoalsKindsCostAndMembers) {
  const std::vector<std::string> lines = absl::StrSplit(
      ReportCsv({Measured("no-cat", "auto-attack", "0.01")}), '\n');
  const auto cell = [&](const std::string& column) {
    return Cell(lines, 1, column);
  };
  EXPECT_EQ(cell("norm"), "default");
  EXPECT_EQ(cell("steps_mean"), "1.84");
  EXPECT_EQ(cell("misclassification"), cell("attack_success"));
  EXPECT_EQ(cell("targeted_misclassification"), "");
  EXPECT_EQ(cell("source_target_pairs_of"), "90");
  EXPECT_EQ(std::stoi(cell("co_natural")) + std::stoi(cell("refocused")) +
                std::stoi(cell("true_adversarial")),
            std::stoi(cell("clean_right_adversarial_wrong")));
  EXPECT_EQ(cell("benign"), "10");
  EXPECT_EQ(cell("gradients_per_image"), "212.25");
  EXPECT_EQ(cell("forwards"), "1234500");
  EXPECT_THAT(cell("members"),
              ::testing::MatchesRegex("apgd [0-9]+ 0.[0-9]+; apgd .*; fab .*; "
                                      "square [0-9]+ 0.[0-9]+"));
  EXPECT_EQ(Cell(lines, 2, "members"), "");  // of all classes alone
}

// Nothing can be co-natural then, which is not the same as 0 images.
TEST(ReportTest, CsvLeavesCoNaturalOutWithoutSuperclasses) {
  v1::Evaluation evaluation = Measured("no-cat", "fgsm", "0.01");
  v1::AdversarialKinds* kinds =
      evaluation.mutable_report()->mutable_results(0)->mutable_kinds();
  kinds->set_co_natural(0);
  kinds->set_without_superclasses(true);
  const std::vector<std::string> lines =
      absl::StrSplit(ReportCsv({evaluation}), '\n');
  EXPECT_EQ(Cell(lines, 1, "co_natural"), "");
  EXPECT_EQ(Cell(lines, 1, "benign"), "10");
  EXPECT_EQ(Cell(lines, 1, "refocused"), std::to_string(kinds->refocused()));
}

TEST(ReportTest, CsvHasWhatWasMeasuredAndWhere) {
  v1::Evaluation evaluation = Measured("no-cat", "igsm", "2/255");
  evaluation.mutable_report()->add_warnings("one");
  evaluation.mutable_report()->add_warnings("two");
  evaluation.mutable_report()->mutable_results(0)->set_zero_gradient_images(4);
  const std::vector<std::string> lines =
      absl::StrSplit(ReportCsv({evaluation}), '\n');
  const auto cell = [&](const std::string& column) {
    return Cell(lines, 1, column);
  };
  EXPECT_NEAR(std::stod(cell("relative_drop")), .709, 5e-4);
  EXPECT_EQ(cell("mean_confidence_drop"), "0.61");
  EXPECT_EQ(cell("mean_l2"), "0.55");
  EXPECT_EQ(cell("max_linf"), ExactText(2 / 255.0));
  for (const char* name :
       {"mean_l0", "mean_linf", "max_l0", "max_l2", "constraint_violations"}) {
    EXPECT_EQ(cell(name), "0") << name;
  }
  EXPECT_EQ(cell("zero_gradient_images"), "4");
  EXPECT_EQ(cell("steps_median"), "2");
  EXPECT_EQ(cell("queries"), "3000");
  EXPECT_EQ(cell("queries_per_image"), "3");
  EXPECT_EQ(cell("wall_seconds"), "1.25");
  EXPECT_EQ(cell("images_per_second"), "800");
  EXPECT_EQ(cell("device"), "CPU: Fake 9000");
  EXPECT_EQ(cell("warnings"), "one; two");
  EXPECT_EQ(Cell(lines, 2, "warnings"), "");  // of all classes alone
}

TEST(ReportTest, AutoAttackShowsItsMembers) {
  v1::Evaluation evaluation = Measured("no-cat", "auto-attack", "8/255");
  *evaluation.mutable_report()
       ->mutable_results(0)
       ->mutable_goals()
       ->mutable_targeted_misclassification() = MakeRate(77, 770);
  EXPECT_EQ(ReportText({{evaluation}, {}}, Style(false)),
            Golden("evaluate_auto_attack.txt"));
  const std::string sweep =
      ReportText({{Measured("no-cat", "auto-attack,square", "0:0.2:0.02")}, {}},
                 Style(false));
  EXPECT_THAT(sweep, HasSubstr("Robust accuracy after each member"));
  EXPECT_THAT(sweep, HasSubstr("queries"));
  EXPECT_LE(WidestLine(sweep), 100u);
}

TEST(ReportTest, AttacksOfOneNameAreToldApart) {
  v1::Evaluation evaluation =
      Measured("no-cat", "pgd:steps=20,pgd:steps=40", "2/255,4/255");
  const ModelResults results = {{evaluation}, {}};
  ASSERT_EQ(GroupByAttack(results).size(), 2u);
  EXPECT_EQ(AttackLabel(GroupByAttack(results)[1][0]), "PGD (40 steps)");
  EXPECT_THAT(ReportText(results, Style(false)),
              HasSubstr("PGD (20 steps) at epsilon 2/255 takes"));
  EXPECT_THAT(NamesOf(evaluation).attacks,
              ::testing::ElementsAre("pgd:steps=20", "pgd:steps=20",
                                     "pgd:steps=40", "pgd:steps=40"));
}

TEST(RecordsTest, CsvEndsWithRankMemberAndQueries) {
  v1::EvaluationRecord record;
  record.add_attacks()->set_clean_rank(2);
  record.mutable_attacks(0)->set_member(3);
  record.mutable_attacks(0)->set_queries(41);
  Table table = RecordCsvHeader();
  AddRecordRows(record, NamesOf(Measured("no-cat", "fgsm", "0.01")), &table);
  EXPECT_THAT(table.ToCsv(), HasSubstr(",l2,linf,clean_rank,member,queries\n"));
  EXPECT_THAT(table.ToCsv(), ::testing::EndsWith(",2,3,41\n"));
}

TEST(JsonTest, KeepsFieldNamesAndZeros) {
  const auto json = ToJson(Measured("no-cat", "fgsm", "0.01"));
  EXPECT_EQ(json["report"]["special_label"], 3);
  EXPECT_EQ(json["report"]["results"][0]["constraint_violations"], "0");
  EXPECT_EQ(nlohmann::ordered_json::parse(JsonText(json)), json);
}

}  // namespace
}  // namespace adv
