#include "client/session/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/printers/numbers.h"
#include "client/printers/style.h"
#include "client/printers/visible.h"

namespace adv {
namespace {

// Seconds between two lines in a file or pipe.
constexpr double kLineSeconds = 10;
constexpr int kMinBar = 8, kMaxBar = 30;

// The facts beside the bar. `seconds_after` is for the evaluations that follow.
std::string ProgressFacts(const v1::EvaluationProgress& progress,
                          double seconds_after) {
  std::string text =
      absl::StrCat(CountText(progress.samples_done()), "/",
                   CountText(progress.samples_total()), " images");
  // The last value is shown, because people usually write the strongest attack
  // last.
  if (progress.robust_accuracy_size() > 0 && progress.samples_done() > 0) {
    const v1::Rate& robust = *progress.robust_accuracy().rbegin();
    absl::StrAppend(&text, ", robust ", PercentText(robust.value()), "%");
  }
  // Passes are the only number that moves before the first image is done.
  if (progress.samples_done() == 0 && progress.passes() > 0) {
    absl::StrAppend(&text, ", ", CountText(progress.passes()),
                    progress.passes() == 1 ? " pass" : " passes");
  }
  if (progress.samples_per_second() > 0) {
    absl::StrAppend(&text, ", ", SpeedText(progress.samples_per_second()),
                    " images/s");
  }
  // The server sends a negative number while it cannot tell.
  if (progress.eta_seconds() >= 0) {
    absl::StrAppend(&text, ", ",
                    DurationText(progress.eta_seconds() + seconds_after),
                    " left");
  }
  return text;
}

}  // namespace

Progress::Progress(std::ostream& out, int columns, std::function<double()> now)
    : out_(out), columns_(columns), now_(std::move(now)) {}

Progress Progress::For(std::ostream& err) {
  winsize size{};
  const bool terminal = isatty(STDERR_FILENO) == 1 &&
                        ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0;
  // Some terminals do not tell their width.
  const int columns = size.ws_col > 0 ? size.ws_col : 80;
  return Progress(err, terminal ? columns : 0, [] {
    return std::chrono::duration<double>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
  });
}

void Progress::Begin(const std::string& label) {
  End();
  // The time of the last line carries over, so that many short evaluations do
  // not print a line each.
  if (label_.empty()) last_line_ = now_();
  label_ = Visible(label);
  if (columns_ == 0) return;
  // "\r" goes to the beginning of the line, and "\x1b[K" clears it.
  out_ << "\r\x1b[K" << label_ << " ..." << std::flush;
  drawn_ = true;
}

void Progress::Update(const v1::EvaluationProgress& progress) {
  if (columns_ > 0) {
    out_ << "\r\x1b[K" << Bar(progress) << std::flush;
    drawn_ = true;
    return;
  }
  if (now_() - last_line_ < kLineSeconds) return;
  last_line_ = now_();
  out_ << label_ << ": " << ProgressFacts(progress, seconds_after_)
       << std::endl;
}

void Progress::End() {
  if (drawn_) out_ << "\r\x1b[K" << std::flush;
  drawn_ = false;
}

// Makes a line no wider than the terminal: a line that wraps could not be
// erased.
std::string Progress::Bar(const v1::EvaluationProgress& progress) const {
  const std::string facts = ProgressFacts(progress, seconds_after_);
  // The last column stays free, because some terminals go to the next line
  // there. Two blanks stand between the parts.
  const int room = columns_ - 1 - static_cast<int>(DisplayWidth(facts)) - 2;
  const int label = static_cast<int>(DisplayWidth(label_)) + 2;
  const double share = progress.samples_total() == 0
                           ? 0
                           : static_cast<double>(progress.samples_done()) /
                                 static_cast<double>(progress.samples_total());
  // A narrow terminal loses the bar first, a wider one only the label.
  if (room < kMinBar) return facts.substr(0, columns_ - 1);
  if (room - label < kMinBar) {
    return absl::StrCat(adv::Bar(share, std::min(room, kMaxBar)), "  ", facts);
  }
  return absl::StrCat(label_, "  ",
                      adv::Bar(share, std::min(room - label, kMaxBar)), "  ",
                      facts);
}

}  // namespace adv
