#include "server/evaluations/evaluation_progress.h"

#include <algorithm>

#include "engine/evaluation/statistics.h"
#include "server/codec/codec.h"

namespace adv {
namespace {

// The seconds until `work` is done, `seconds` after its begin and before a tile
// has ended; negative while nothing is known.
double SecondsLeft(const WorkSoFar& work, double seconds) {
  double pace = work.speed.cost_per_second * work.at_once;
  // Another model may be a thousand times as fast: its speed counts only until
  // there is work of this one to go by.
  if (!work.speed.of_model && work.cost > 0 && seconds > 0) {
    pace = static_cast<double>(work.cost) / seconds;
  }
  if (pace <= 0) return -1;
  // Padding may make the work cost more than was planned.
  return std::max(0., work.planned - static_cast<double>(work.cost)) / pace;
}

}  // namespace

ProgressCount::ProgressCount(int64_t samples_total, size_t results)
    : samples_total_(samples_total), robust_(results) {}

void ProgressCount::Add(const SampleRecord& record) {
  ++samples_;
  // A stored record is outside data and may hold another number of results.
  robust_.resize(std::max(robust_.size(), record.attacks.size()));
  // An image that is wrong without an attack is not robust under any.
  if (record.prediction != record.label) return;
  ++clean_right_;
  for (size_t i = 0; i < record.attacks.size(); ++i) {
    if (record.attacks[i].prediction == record.label) ++robust_[i];
  }
}

void ProgressCount::Begin(Clock::Time now) {
  samples_before_ = samples_;
  started_ = now;
}

v1::EvaluationProgress ProgressCount::Encode(const WorkSoFar& work,
                                             Clock::Time now) const {
  v1::EvaluationProgress progress;
  progress.set_samples_done(samples_);
  progress.set_samples_total(samples_total_);
  if (samples_ > 0) {
    *progress.mutable_clean_accuracy() =
        EncodeRate(WilsonRate(clean_right_, samples_));
    for (int64_t robust : robust_) {
      *progress.add_robust_accuracy() =
          EncodeRate(WilsonRate(robust, samples_));
    }
  }
  progress.set_passes(work.passes);
  // The pace is that of this run: what the store had took no time.
  const double seconds = Seconds(now - started_);
  progress.set_eta_seconds(SecondsLeft(work, seconds));
  const auto done = static_cast<double>(new_samples());
  // Whole samples tell more than what they were planned to cost at most.
  if (done > 0 && seconds > 0) {
    progress.set_samples_per_second(done / seconds);
    progress.set_eta_seconds(static_cast<double>(samples_total_ - samples_) *
                             seconds / done);
  }
  return progress;
}

}  // namespace adv
