#ifndef ADV_MODEL_STORE_TRAINER_PROGRESS_H_
#define ADV_MODEL_STORE_TRAINER_PROGRESS_H_

#include <chrono>
#include <cstdio>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "model_store/trainer/run_meter.h"

namespace adv {

// "1h02m", "12m30s", "8s".
std::string FormatDuration(double seconds);

// A size in characters; 0: not known.
struct TerminalSize {
  int rows = 0;
  int columns = 0;
};

// Prints the progress of the models' training. A terminal has one line with a
// bar for each running model, which is redrawn in place, and notes scroll away
// above them. Elsewhere there are plain lines, for each model one every ten
// seconds or so. Thread-safe.
class ProgressPrinter {
 public:
  // `out` must outlive this object. The form depends on whether `out` is a
  // terminal.
  explicit ProgressPrinter(std::FILE* out);
  // Prints as for a terminal of the size that `size` gives.
  ProgressPrinter(std::FILE* out, std::function<TerminalSize()> size);

  // Shows the status of `model`, which gets a line if it has none.
  void Update(const std::string& model, const RunStatus& status);
  // Removes the model's line.
  void Remove(const std::string& model);
  // Prints a note on a line of its own.
  void Note(const std::string& model, const std::string& text);

 private:
  using Clock = std::chrono::steady_clock;
  // The line of a running model.
  struct Run {
    std::string model;
    RunStatus status;
    Clock::time_point last_line;
  };

  Run* Find(const std::string& model);
  // Moves to the first bar, prints `note` and then all bars.
  void Redraw(const std::string& note);
  void Write(const std::string& text);

  std::FILE* const out_;
  const std::function<TerminalSize()> size_;  // null: plain lines

  std::mutex mutex_;  // guards all below, and the order on out_
  std::vector<Run> runs_;
  size_t bars_drawn_ = 0;
  Clock::time_point last_redraw_;
};

}  // namespace adv

#endif  // ADV_MODEL_STORE_TRAINER_PROGRESS_H_
