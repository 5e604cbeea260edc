// Numbers, tables and the progress, as people and programs get to see them.
#include <algorithm>
#include <cstdlib>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include "client/printers/ascii.h"
#include "client/printers/evaluations.h"
#include "client/printers/images.h"
#include "client/printers/models.h"
#include "client/printers/numbers.h"
#include "client/printers/style.h"
#include "client/printers/table.h"
#include "client/printers/visible.h"
#include "client/session/progress.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace adv {
namespace {

using ::testing::HasSubstr;

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

TEST(NumbersTest, SpeedsKeepTwoDigits) {
  EXPECT_EQ(SpeedText(0), "0");
  EXPECT_EQ(SpeedText(.0423), "0.042");
  EXPECT_EQ(SpeedText(.5), "0.50");
  EXPECT_EQ(SpeedText(.996), "1.0");
  EXPECT_EQ(SpeedText(9.94), "9.9");
  EXPECT_EQ(SpeedText(9.96), "10");
  EXPECT_EQ(SpeedText(1234.4), "1,234");
}

TEST(StateTest, AStateOfANewerServerHasItsNumber) {
  EXPECT_EQ(StateText(v1::EVALUATION_STATE_RUNNING), "running");
  EXPECT_EQ(StateText(static_cast<v1::EvaluationState>(99)), "state 99");
  EXPECT_EQ(StateText(v1::MODEL_STATE_READY), "ready");
  EXPECT_EQ(StateText(static_cast<v1::ModelState>(99)), "state 99");
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
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(Sparkline({2, 1, nan, .5}, 60), "█▃▁▁");
  EXPECT_EQ(Sparkline({nan, nan}, 60), "▁▁");
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

TEST(VisibleTest, ControlCharactersAreSpelledOut) {
  EXPECT_EQ(Visible("plain ä/猫/😀 – ▶ back\\slash"),
            "plain ä/猫/😀 – ▶ back\\slash");
  EXPECT_EQ(Visible("a\nb\rc\td"), "a\\nb\\rc\\td");
  EXPECT_EQ(Visible("\x1b[2J\x07\x7f"), "\\x1b[2J\\x07\\x7f");
  EXPECT_EQ(Visible(absl::string_view("\0", 1)), "\\x00");
  EXPECT_EQ(Visible("\xc2\x9b 31m"), "\\u009b 31m");    // CSI in one character
  EXPECT_EQ(Visible("a\xe2\x80\xae b"), "a\\u202e b");  // right to left
  EXPECT_EQ(Visible("\xe2\x80\xa8"), "\\u2028");        // line separator
  EXPECT_EQ(VisibleLines("a\x1b\nb\n"), "a\\x1b\nb\n");
}

TEST(VisibleTest, BytesThatAreNoUtf8AreSpelledOut) {
  EXPECT_EQ(Visible("\xff\x9b!"), "\\xff\\x9b!");
  EXPECT_EQ(Visible("cut \xe2\x96"), "cut \\xe2\\x96");
  EXPECT_EQ(Visible("\xe2 cut"), "\\xe2 cut");
  EXPECT_EQ(Visible("\xc0\x9b"), "\\xc0\\x9b");           // overlong
  EXPECT_EQ(Visible("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // surrogate
  EXPECT_EQ(Visible("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");
}

TEST(TableTest, ShowsNoControlCharacters) {
  Table table({{"a\x1b"}, {"b"}});
  table.AddRow({"x\ny", "\"\x9b"});
  EXPECT_EQ(table.ToText(Style(false), 0), "a\\x1b  b\nx\\ny   \"\\x9b\n");
  EXPECT_EQ(table.ToCsv(), "a\\x1b,b\nx\\ny,\"\"\"\\x9b\"\n");
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

// The verdict on a cat that was and is taken for a dog.
std::string VerdictOnWrongCat(int changed_values) {
  v1::GenerateAdversarialResponse response;
  response.mutable_attack()->mutable_igsm();
  auto* result = response.add_results();
  result->set_label(3);
  for (auto* seen : {result->mutable_clean(), result->mutable_adversarial()}) {
    auto* score = seen->add_top();
    score->set_label(5);
    score->set_class_name("dog");
    score->set_probability(.9);
  }
  result->mutable_record()->set_prediction(5);
  result->mutable_record()->set_confidence(.9);
  result->mutable_record()->set_l0(changed_values);
  return AttackText(response, v1::Epsilon(), v1::Goal(), Style(false));
}

TEST(AttackTextTest, AnImageThatWasWrongIsNotFooled) {
  EXPECT_THAT(VerdictOnWrongCat(12),
              HasSubstr("was taken for dog before the attack, and still is "
                        "(90.0%)."));
  const std::string unchanged = VerdictOnWrongCat(0);
  EXPECT_THAT(unchanged, HasSubstr("Nothing was needed"));
  EXPECT_THAT(unchanged, HasSubstr("\nNo value was changed.\n"));
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

TEST(ProgressTest, PassesMoveBeforeTheFirstImageIsDone) {
  std::ostringstream out;
  double now = 0;
  Progress progress(out, 0, [&now] { return now; });
  progress.Begin("no-cat");
  v1::EvaluationProgress said;
  said.set_samples_total(8);
  said.set_passes(1234);
  said.set_eta_seconds(-1);
  now = 10;
  progress.Update(said);
  said.set_samples_done(1);
  said.set_samples_per_second(.05);
  said.set_eta_seconds(140);
  now = 20;
  progress.Update(said);
  EXPECT_EQ(out.str(),
            "no-cat: 0/8 images, 1,234 passes\n"
            "no-cat: 1/8 images, 0.050 images/s, 2:20 left\n");
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
