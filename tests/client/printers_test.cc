// What people and programs get to see.
#include <algorithm>
#include <cstdlib>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "client/attack_flags.h"
#include "client/epsilon.h"
#include "client/printers/ascii.h"
#include "client/printers/json.h"
#include "client/printers/numbers.h"
#include "client/printers/records.h"
#include "client/printers/report.h"
#include "client/printers/style.h"
#include "client/printers/table.h"
#include "client/progress.h"
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

TEST(NumbersTest, PercentNeverRoundsAwayTheDifferenceToAllOrNone) {
  EXPECT_EQ(PercentText(.793), "79.3");
  EXPECT_EQ(PercentText(1), "100");
  EXPECT_EQ(PercentText(.9999), ">99.9");
  EXPECT_EQ(PercentText(0), "0");
  EXPECT_EQ(PercentText(.0001), "<0.1");
  EXPECT_EQ(PercentText(1e-17), "0");
  EXPECT_EQ(PercentText(std::numeric_limits<double>::quiet_NaN()), "–");
}

TEST(NumbersTest, WilsonInterval) {
  // Reference: 50 of 100 is .4038 to .5962; 0 of 10 is 0 to .2775.
  EXPECT_NEAR(MakeRate(50, 100).lower(), .4038, 5e-5);
  EXPECT_NEAR(MakeRate(50, 100).upper(), .5962, 5e-5);
  EXPECT_EQ(MakeRate(0, 10).lower(), 0);
  EXPECT_NEAR(MakeRate(0, 10).upper(), .2775, 5e-5);
  EXPECT_EQ(RateText(MakeRate(0, 0)), "–");
  EXPECT_EQ(RateText(MakeRate(50, 100)), "50.0 (40.4–59.6)");
}

TEST(NumbersTest, CountsAndDurations) {
  EXPECT_EQ(CountText(0), "0");
  EXPECT_EQ(CountText(999), "999");
  EXPECT_EQ(CountText(1525738), "1,525,738");
  EXPECT_EQ(CountText(-1000), "-1,000");
  EXPECT_EQ(DurationText(.44), "0.4 s");
  EXPECT_EQ(DurationText(59), "59 s");
  EXPECT_EQ(DurationText(187), "3:07");
  EXPECT_EQ(DurationText(3723), "1:02:03");
}

TEST(StyleTest, BarsAndSparklines) {
  EXPECT_EQ(Bar(.5, 4), "██  ");
  EXPECT_EQ(Bar(1.7, 2), "██");
  EXPECT_EQ(Bar(-1, 2), "  ");
  EXPECT_EQ(Bar(1.0 / 16, 2), "▏ ");
  EXPECT_EQ(Bar(std::numeric_limits<double>::quiet_NaN(), 2), "  ");
  EXPECT_EQ(Sparkline({0, 1, 2, 3, 4, 5, 6, 7}, 60), "▁▂▃▄▅▆▇█");
  EXPECT_EQ(Sparkline({1, 1}, 60), "▁▁");
  EXPECT_EQ(Sparkline({}, 60), "");
  EXPECT_EQ(DisplayWidth(Sparkline(std::vector<double>(200, 1.0), 60)), 60u);
}

TEST(StyleTest, AValueOfASparklineIsFoundAgain) {
  EXPECT_EQ(SparklineColumn(0, 1, 30), 0);
  EXPECT_EQ(SparklineColumn(4, 7, 30), 4);  // a column each
  // 200 values, 20 each.
  EXPECT_EQ(SparklineColumn(19, 200, 10), 0);
  EXPECT_EQ(SparklineColumn(20, 200, 10), 1);
  EXPECT_EQ(SparklineColumn(199, 200, 10), 9);
  // Seven values in three columns: 2, 2 and 3.
  EXPECT_EQ(SparklineColumn(3, 7, 3), 1);
  EXPECT_EQ(SparklineColumn(4, 7, 3), 2);
}

std::string Ascii(const std::string& text) {
  std::stringbuf target;
  {
    AsciiBuffer buffer(&target);
    std::ostream stream(&buffer);
    for (const char byte : text) stream << byte << std::flush;
  }
  return target.str();
}

TEST(AsciiTest, EveryCharacterKeepsItsWidth) {
  EXPECT_EQ(Ascii("▶ cat  15.0 (9.3–23.3)\n"), "> cat  15.0 (9.3-23.3)\n");
  EXPECT_EQ(Ascii("▁▂▃▄▅▆▇█"), "_.:-=+*#");
  EXPECT_EQ(Ascii(Bar(.57, 8)), "#####   ");
  EXPECT_EQ(Ascii("✗ · ▲ …"), "x . ^ ~");
}

TEST(AsciiTest, WhatIsNotOursGoesThrough) {
  EXPECT_EQ(Ascii("ä/猫/😀.png"), "ä/猫/😀.png");
  EXPECT_EQ(Ascii("cut \xe2\x96"), "cut \xe2\x96");
  EXPECT_EQ(Ascii("\xe2 cut"), "\xe2 cut");
  EXPECT_EQ(Ascii("\xff\x80"), "\xff\x80");
}

TEST(AsciiTest, TheFirstVariableThatIsSetDecides) {
  setenv("LC_ALL", "", 1);
  setenv("LC_CTYPE", "de_DE.utf8", 1);
  setenv("LANG", "C", 1);
  EXPECT_TRUE(LocaleIsUtf8());
  setenv("LC_ALL", "C", 1);
  EXPECT_FALSE(LocaleIsUtf8());
  setenv("LC_ALL", "C.UTF-8", 1);
  EXPECT_TRUE(LocaleIsUtf8());
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) unsetenv(name);
  EXPECT_FALSE(LocaleIsUtf8());
}

TEST(StyleTest, WrapsAtSpaces) {
  EXPECT_EQ(WrapWords("aa bb cc", 5, 2), "aa bb\n  cc");
  EXPECT_EQ(WrapWords("aa bb", 5, 2, 3), "aa\n  bb");
  EXPECT_EQ(WrapWords("unbreakable", 3, 0), "unbreakable");
}

TEST(StyleTest, PlainStyleAddsNothing) {
  EXPECT_EQ(Style(false).Mark("cat"), "cat");
  EXPECT_EQ(Style(true).Mark("cat"), "\x1b[1;33mcat\x1b[0m");
}

TEST(TableTest, AlignsAndMarks) {
  Table table({{"class"}, {"images", true}});
  table.AddRow({"cat", "1,000"}, Table::Row::kMarked);
  table.AddRow({"automobile", "–"});
  EXPECT_EQ(table.ToText(Style(false)),
            "  class       images\n"
            "▶ cat          1,000\n"
            "  automobile       –\n");
}

TEST(TableTest, QuotesCsv) {
  Table table({{"a"}, {"b"}});
  table.AddRow({"1,5", "say \"hi\""});
  table.AddRow({"x"});
  EXPECT_EQ(table.ToCsv(), "a,b\n\"1,5\",\"say \"\"hi\"\"\"\nx,\n");
}

TEST(ReportTest, TheShortQuestionLooksAsItShould) {
  EXPECT_EQ(ReportText(Default(), Style(false)), Golden("evaluate_no_cat.txt"));
}

TEST(ReportTest, ASweepLooksAsItShould) {
  const ModelResults results = {{Measured("no-cat", "igsm", "0:8/255:1/255")},
                                {}};
  EXPECT_EQ(ReportText(results, Style(false)), Golden("evaluate_sweep.txt"));
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

TEST(RecordsTest, CsvEndsWithRankAndMember) {
  v1::EvaluationRecord record;
  record.add_attacks()->set_clean_rank(2);
  record.mutable_attacks(0)->set_member(3);
  Table table = RecordCsvHeader();
  AddRecordRows(record, NamesOf(Measured("no-cat", "fgsm", "0.01")), &table);
  EXPECT_THAT(table.ToCsv(), HasSubstr(",l2,linf,clean_rank,member\n"));
  EXPECT_THAT(table.ToCsv(), ::testing::EndsWith(",2,3\n"));
}

TEST(JsonTest, KeepsFieldNamesAndZeros) {
  const auto json = ToJson(Measured("no-cat", "fgsm", "0.01"));
  EXPECT_EQ(json["report"]["special_label"], 3);
  EXPECT_EQ(json["report"]["results"][0]["constraint_violations"], "0");
  EXPECT_EQ(nlohmann::ordered_json::parse(JsonText(json)), json);
}

v1::EvaluationProgress Half() {
  v1::EvaluationProgress progress;
  progress.set_samples_done(512);
  progress.set_samples_total(1024);
  *progress.add_robust_accuracy() = MakeRate(1, 4);
  progress.set_samples_per_second(870);
  progress.set_eta_seconds(12);
  return progress;
}

TEST(ProgressTest, PlainLinesComeAtMostEveryTenSeconds) {
  std::ostringstream out;
  double now = 0;
  Progress progress(out, 0, [&now] { return now; });
  progress.Begin("no-cat");
  progress.Update(Half());
  now = 9.9;
  progress.Update(Half());
  EXPECT_EQ(out.str(), "");
  now = 10;
  progress.Update(Half());
  now = 19;
  progress.Update(Half());
  progress.End();
  EXPECT_EQ(out.str(),
            "no-cat: 512/1,024 images, robust 25.0%, 870 images/s, 12 s "
            "left\n");
}

TEST(ProgressTest, ManyShortEvaluationsAreOneWait) {
  std::ostringstream out;
  double now = 0;
  Progress progress(out, 0, [&now] { return now; });
  for (int i = 0; i < 4; ++i) {
    progress.ExpectAfter(60 - 4 * i);
    progress.Begin("pair");
    progress.Update(Half());
    now += 4;
    progress.End();
  }
  EXPECT_EQ(out.str(),
            "pair: 512/1,024 images, robust 25.0%, 870 images/s, 1:00 left\n");
}

TEST(ProgressTest, TheBarNeverWrapsAndIsTakenAway) {
  for (const int columns : {20, 60, 80, 100, 200}) {
    std::ostringstream out;
    Progress progress(out, columns, [] { return 0.0; });
    progress.Begin("no-cat");
    out.str("");
    progress.Update(Half());
    const std::string drawn = out.str();
    ASSERT_EQ(drawn.rfind("\r\x1b[K", 0), 0u);
    EXPECT_LT(DisplayWidth(drawn.substr(4)), static_cast<size_t>(columns));
    EXPECT_THAT(drawn, HasSubstr("512/1,024"));
    progress.End();
    EXPECT_EQ(out.str(), drawn + "\r\x1b[K");
  }
}

}  // namespace
}  // namespace adv
