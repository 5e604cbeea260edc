#ifndef ADV_SERVER_EVALUATIONS_EVALUATION_PROGRESS_H_
#define ADV_SERVER_EVALUATIONS_EVALUATION_PROGRESS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "adv/v1/evaluation.pb.h"
#include "engine/evaluation/records.h"
#include "server/compute/clock.h"
#include "server/compute/speeds.h"

namespace adv {

// The work of an evaluation since ProgressCount::Begin. Costs are those of
// cost.h.
struct WorkSoFar {
  int64_t passes = 0;
  int64_t cost = 0;    // of the passes that have ended
  double planned = 0;  // cost of all samples that were not done at Begin
  Speed speed;         // of each thread, by earlier jobs
  int at_once = 1;     // threads that can work on it
};

// How far an evaluation is, counted as its records come.
//
// Not thread-safe.
class ProgressCount {
 public:
  // Of an evaluation of `samples_total` images under `results` pairs of attack
  // and epsilon.
  ProgressCount(int64_t samples_total, size_t results);

  void Add(const SampleRecord& record);
  // What was added so far took no time: the store had it. From `now` on the
  // pace is measured.
  void Begin(Clock::Time now);

  int64_t samples() const { return samples_; }
  // Those added after Begin.
  int64_t new_samples() const { return samples_ - samples_before_; }
  bool complete() const { return samples_ == samples_total_; }

  v1::EvaluationProgress Encode(const WorkSoFar& work, Clock::Time now) const;

 private:
  int64_t samples_total_;
  int64_t samples_ = 0;
  int64_t samples_before_ = 0;
  int64_t clean_right_ = 0;
  std::vector<int64_t> robust_;  // by attack and epsilon: right and still right
  Clock::Time started_;
};

}  // namespace adv

#endif  // ADV_SERVER_EVALUATIONS_EVALUATION_PROGRESS_H_
