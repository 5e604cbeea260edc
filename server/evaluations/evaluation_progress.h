#ifndef ADV_SERVER_EVALUATIONS_EVALUATION_PROGRESS_H_
#define ADV_SERVER_EVALUATIONS_EVALUATION_PROGRESS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "adv/v1/evaluation.pb.h"
#include "engine/evaluation/records.h"
#include "server/compute/clock.h"

namespace adv {

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

  // `passes`: those since Begin.
  v1::EvaluationProgress Encode(int64_t passes, Clock::Time now) const;

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
