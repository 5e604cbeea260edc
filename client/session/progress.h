#ifndef ADV_CLIENT_SESSION_PROGRESS_H_
#define ADV_CLIENT_SESSION_PROGRESS_H_

#include <functional>
#include <ostream>
#include <string>

#include "adv/v1/evaluation.pb.h"

namespace adv {

// Shows the progress of an evaluation: a live bar on a terminal, otherwise
// plain lines at most every 10 s. Not thread-safe.
class Progress {
 public:
  // `columns` of the terminal, 0 if it is none; `now` in seconds.
  Progress(std::ostream& out, int columns, std::function<double()> now);
  // For standard error.
  static Progress For(std::ostream& err);

  // `label` names the evaluation that follows: "no-cat, FGSM at epsilon 0.01".
  void Begin(const std::string& label);
  // The evaluations after that of the next Begin take so many seconds. They
  // count in the time left.
  void ExpectAfter(double seconds) { seconds_after_ = seconds; }
  void Update(const v1::EvaluationProgress& progress);
  // Removes the bar, so that other text can follow.
  void End();

 private:
  std::string Bar(const v1::EvaluationProgress& progress) const;

  std::ostream& out_;
  const int columns_;
  const std::function<double()> now_;
  std::string label_;
  double last_line_ = 0;
  double seconds_after_ = 0;
  bool drawn_ = false;
};

}  // namespace adv

#endif  // ADV_CLIENT_SESSION_PROGRESS_H_
