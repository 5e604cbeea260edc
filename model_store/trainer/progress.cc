#include "model_store/trainer/progress.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace adv {
namespace {

constexpr std::chrono::milliseconds kTerminalInterval(200);
constexpr std::chrono::seconds kPlainInterval(10);
constexpr int kBarWidth = 24;

std::string Bar(double fraction) {
  const int full = static_cast<int>(fraction * kBarWidth);
  return absl::StrCat("[", std::string(full, '#'),
                      std::string(kBarWidth - full, '.'), "]");
}

int64_t ImagesDone(const Trainer& trainer) {
  const int64_t per_epoch =
      static_cast<int64_t>(trainer.split().training.size());
  const int64_t epochs = static_cast<int64_t>(trainer.epochs().size());
  const int64_t steps =
      trainer.steps_done() - epochs * trainer.steps_per_epoch();
  return epochs * per_epoch +
         std::min(per_epoch, steps * trainer.settings().batch_size);
}

}  // namespace

std::string FormatDuration(double seconds) {
  const int64_t total = std::llround(std::max(0.0, seconds));
  if (total < 60) return absl::StrFormat("%ds", total);
  if (total < 3600) return absl::StrFormat("%dm%02ds", total / 60, total % 60);
  return absl::StrFormat("%dh%02dm", total / 3600, total / 60 % 60);
}

ProgressPrinter::ProgressPrinter(std::string model, const Trainer& trainer,
                                 std::FILE* out)
    : model_(std::move(model)),
      max_epochs_(trainer.settings().max_epochs),
      may_stop_early_(trainer.settings().patience > 0),
      out_(out),
      terminal_(isatty(fileno(out)) != 0),
      images_at_start_(ImagesDone(trainer)) {}

std::string ProgressPrinter::Line(const EpochProgress& progress) const {
  const double elapsed =
      std::chrono::duration<double>(Clock::now() - start_).count();
  const int64_t total = max_epochs_ * progress.images_total;
  const int64_t done =
      (progress.epoch - 1) * progress.images_total + progress.images;
  const double rate =
      static_cast<double>(done - images_at_start_) / std::max(elapsed, 1e-9);
  const double fraction = static_cast<double>(progress.images) /
                          static_cast<double>(progress.images_total);
  return absl::StrFormat(
      "%s  epoch %d/%d %s%3.0f%%  loss %.4f  accuracy %.4f  %.0f images/s  "
      "%s %s",
      model_, progress.epoch, max_epochs_, terminal_ ? Bar(fraction) : "",
      100 * fraction, progress.training_loss, progress.training_accuracy, rate,
      may_stop_early_ ? "ETA at most" : "ETA",
      FormatDuration(static_cast<double>(total - done) / std::max(rate, 1e-9)));
}

void ProgressPrinter::Update(const EpochProgress& progress) {
  const Clock::time_point now = Clock::now();
  const Clock::duration interval =
      terminal_ ? Clock::duration(kTerminalInterval) : kPlainInterval;
  if (now - last_print_ < interval) return;
  last_print_ = now;
  // \r and "erase to the end of the line": the next line takes its place.
  if (terminal_) {
    absl::FPrintF(out_, "\r%s\x1b[K", Line(progress));
  } else {
    absl::FPrintF(out_, "%s\n", Line(progress));
  }
  std::fflush(out_);
}

void ProgressPrinter::EpochDone(int64_t epoch, const EpochRecord& record) {
  Note(absl::StrFormat(
      "epoch %d/%d done  loss %.4f  accuracy %.4f  validation loss %.4f  "
      "accuracy %.4f  in %s",
      epoch, max_epochs_, record.training_loss, record.training_accuracy,
      record.validation_loss, record.validation_accuracy,
      FormatDuration(record.seconds)));
}

void ProgressPrinter::Note(const std::string& text) {
  const char* const begin = terminal_ ? "\r" : "";
  const char* const end = terminal_ ? "\x1b[K" : "";
  absl::FPrintF(out_, "%s%s  %s%s\n", begin, model_, text, end);
  std::fflush(out_);
}

}  // namespace adv
