#include "model_store/trainer/progress.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace adv {
namespace {

// The least time between two redraws of a terminal, and between two plain lines
// of one model.
constexpr std::chrono::milliseconds kTerminalInterval(200);
constexpr std::chrono::seconds kPlainInterval(10);
constexpr int kBarWidth = 24;
// "\r" goes to the line's begin and "\x1b[K" erases the rest of it, so that new
// text replaces the old.
constexpr char kLineBegin[] = "\r";
constexpr char kLineEnd[] = "\x1b[K\n";

std::string Bar(double fraction) {
  const int full = static_cast<int>(fraction * kBarWidth);
  return absl::StrCat("[", std::string(full, '#'),
                      std::string(kBarWidth - full, '.'), "]");
}

// One line without its end: "no-cat  epoch 3/14 ...".
std::string Line(const std::string& model, const RunStatus& status, bool bar) {
  const EpochProgress& progress = status.progress;
  // Every run has at least one training image, so the divisor is not 0.
  const double fraction = static_cast<double>(progress.images) /
                          static_cast<double>(progress.images_total);
  return absl::StrFormat(
      "%s  epoch %d/%d %s%3.0f%%  loss %.4f  accuracy %.4f  %.0f images/s  "
      "%s %s",
      model, progress.epoch, status.max_epochs, bar ? Bar(fraction) : "",
      100 * fraction, progress.training_loss, progress.training_accuracy,
      status.images_per_second, status.may_stop_early ? "ETA at most" : "ETA",
      FormatDuration(status.eta_seconds));
}

// Null if `out` is no terminal. The size is asked for at each redraw, since a
// window may change.
std::function<TerminalSize()> SizeOf(std::FILE* out) {
  const int fd = fileno(out);
  if (isatty(fd) == 0) return nullptr;
  return [fd] {
    winsize size = {};
    if (ioctl(fd, TIOCGWINSZ, &size) != 0) return TerminalSize{};
    return TerminalSize{size.ws_row, size.ws_col};
  };
}

}  // namespace

std::string FormatDuration(double seconds) {
  const int64_t total = std::llround(std::max(0.0, seconds));
  if (total < 60) return absl::StrFormat("%ds", total);
  if (total < 3600) return absl::StrFormat("%dm%02ds", total / 60, total % 60);
  return absl::StrFormat("%dh%02dm", total / 3600, total / 60 % 60);
}

ProgressPrinter::ProgressPrinter(std::FILE* out)
    : ProgressPrinter(out, SizeOf(out)) {}

ProgressPrinter::ProgressPrinter(std::FILE* out,
                                 std::function<TerminalSize()> size)
    : out_(out), size_(std::move(size)) {}

ProgressPrinter::Run* ProgressPrinter::Find(const std::string& model) {
  const auto run =
      std::find_if(runs_.begin(), runs_.end(),
                   [&model](const Run& each) { return each.model == model; });
  return run == runs_.end() ? nullptr : &*run;
}

void ProgressPrinter::Update(const std::string& model,
                             const RunStatus& status) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const Clock::time_point now = Clock::now();
  Run* run = Find(model);
  if (run == nullptr) {
    // Counts as if a line was just written, so that the first line comes when
    // there is something to tell.
    runs_.push_back({model, status, now});
    run = &runs_.back();
  }
  run->status = status;
  if (size_ != nullptr) {
    if (now - last_redraw_ >= kTerminalInterval) Redraw("");
  } else if (now - run->last_line >= kPlainInterval) {
    run->last_line = now;
    Write(Line(model, status, /*bar=*/false) + "\n");
  }
}

void ProgressPrinter::Remove(const std::string& model) {
  const std::lock_guard<std::mutex> lock(mutex_);
  Run* const run = Find(model);
  if (run == nullptr) return;
  runs_.erase(runs_.begin() + (run - runs_.data()));
  if (size_ != nullptr) Redraw("");
}

void ProgressPrinter::Note(const std::string& model, const std::string& text) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const std::string note = absl::StrCat(model, "  ", text);
  if (size_ != nullptr) {
    Redraw(note);
  } else {
    Write(note + "\n");
  }
}

void ProgressPrinter::Redraw(const std::string& note) {
  last_redraw_ = Clock::now();
  const TerminalSize size = size_();
  std::string text;
  // Moves up to the first bar. One write for all keeps the bars from
  // flickering.
  if (bars_drawn_ > 0) text = absl::StrCat("\x1b[", bars_drawn_, "A");
  if (!note.empty()) absl::StrAppend(&text, kLineBegin, note, kLineEnd);
  bars_drawn_ = 0;
  for (const Run& run : runs_) {
    // A bar above the first row, or one that wraps, could not be redrawn in
    // place.
    if (size.rows > 0 && bars_drawn_ + 1 >= static_cast<size_t>(size.rows)) {
      break;
    }
    std::string line = Line(run.model, run.status, /*bar=*/true);
    if (size.columns > 0)
      line.resize(std::min<size_t>(line.size(), size.columns));
    absl::StrAppend(&text, kLineBegin, line, kLineEnd);
    ++bars_drawn_;
  }
  absl::StrAppend(&text, "\x1b[J");  // erases the bars that are gone
  Write(text);
}

void ProgressPrinter::Write(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), out_);
  // Text that stayed in a buffer would come late.
  std::fflush(out_);
}

}  // namespace adv
