#include "model_store/trainer/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <string>

#include "model_store/trainer/run_meter.h"

namespace adv {
namespace {

using ::testing::ContainsRegex;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(FormatDurationTest, NamesTwoUnits) {
  EXPECT_EQ(FormatDuration(0), "0s");
  EXPECT_EQ(FormatDuration(59.4), "59s");
  EXPECT_EQ(FormatDuration(59.6), "1m00s");
  EXPECT_EQ(FormatDuration(754), "12m34s");
  EXPECT_EQ(FormatDuration(3599.9), "1h00m");
  EXPECT_EQ(FormatDuration(90061), "25h01m");
  EXPECT_EQ(FormatDuration(-3), "0s");
}

// Epoch 2 of 4, 60 of 100 images.
EpochProgress Progress() {
  EpochProgress progress;
  progress.epoch = 2;
  progress.images = 60;
  progress.images_total = 100;
  progress.training_loss = 1.25;
  progress.training_accuracy = 0.5;
  return progress;
}

TEST(RunMeterTest, CountsWhatWasDoneSinceTheRunContinued) {
  const RunMeter::Clock::time_point start;
  const RunMeter meter(/*images_done=*/140, /*max_epochs=*/4,
                       /*may_stop_early=*/true, start);
  const RunStatus status =
      meter.Measure(Progress(), start + std::chrono::seconds(2));
  EXPECT_EQ(status.images_done, 20);
  EXPECT_DOUBLE_EQ(status.images_per_second, 10);
  EXPECT_DOUBLE_EQ(status.eta_seconds, 24);  // 240 of 400 images are left
  EXPECT_EQ(status.max_epochs, 4);
  EXPECT_TRUE(status.may_stop_early);
}

// A printer whose output can be read.
class ProgressPrinterTest : public ::testing::Test {
 protected:
  ~ProgressPrinterTest() override { std::fclose(file_); }

  // What was written since the last call.
  std::string Output() {
    std::string text;
    std::fflush(file_);
    std::fseek(file_, read_, SEEK_SET);
    for (int c = std::fgetc(file_); c != EOF; c = std::fgetc(file_)) {
      text.push_back(static_cast<char>(c));
    }
    read_ = std::ftell(file_);
    return text;
  }
  static RunStatus Status() {
    RunStatus status;
    status.progress = Progress();
    status.max_epochs = 4;
    status.images_per_second = 10;
    status.eta_seconds = 24;
    return status;
  }

  std::FILE* const file_ = std::tmpfile();
  long read_ = 0;
};

TEST_F(ProgressPrinterTest, AFileGetsPlainLines) {
  ProgressPrinter printer(file_);
  printer.Update("no-cat", Status());
  EXPECT_EQ(Output(), "") << "a line for each update";
  printer.Note("no-cat", "epoch done");
  printer.Remove("no-cat");
  EXPECT_EQ(Output(), "no-cat  epoch done\n");
}

TEST_F(ProgressPrinterTest, ATerminalGetsABarForEachModelBelowTheNotes) {
  ProgressPrinter printer(file_, [] { return TerminalSize{24, 200}; });
  printer.Update("one", Status());
  EXPECT_EQ(Output(),
            "\rone  epoch 2/4 [##############..........] 60%  loss 1.2500  "
            "accuracy 0.5000  10 images/s  ETA 24s\x1b[K\n\x1b[J");
  printer.Update("two", Status());
  printer.Note("two", "hello");
  EXPECT_THAT(Output(), ContainsRegex("^\x1b\\[1A\rtwo  hello\x1b\\[K\n\r"
                                      "one  epoch.*\x1b\\[K\n\r"
                                      "two  epoch.*\x1b\\[K\n\x1b\\[J$"));
  printer.Remove("one");
  EXPECT_THAT(Output(), ContainsRegex("^\x1b\\[2A\rtwo  epoch[^\n]*\n"
                                      "\x1b\\[J$"));
  printer.Remove("two");
  EXPECT_EQ(Output(), "\x1b[1A\x1b[J");
  printer.Note("two", "done");
  EXPECT_EQ(Output(), "\rtwo  done\x1b[K\n\x1b[J");
}

TEST_F(ProgressPrinterTest, BarsFitTheTerminal) {
  ProgressPrinter printer(file_, [] { return TerminalSize{3, 10}; });
  for (const char* model : {"one", "two", "three"}) {
    printer.Update(model, Status());
  }
  Output();
  printer.Note("x", "note");
  const std::string output = Output();
  EXPECT_THAT(output, HasSubstr("\rone  epoch\x1b[K\n"));
  EXPECT_THAT(output, EndsWith("\rtwo  epoch\x1b[K\n\x1b[J"));
  EXPECT_THAT(output, Not(HasSubstr("three")));
}

}  // namespace
}  // namespace adv
