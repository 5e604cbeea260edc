#include "server/evaluations/evaluation_progress.h"

#include <algorithm>

#include "engine/evaluation/statistics.h"
#include "server/codec/codec.h"

namespace adv {

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

v1::EvaluationProgress ProgressCount::Encode(int64_t passes,
                                             Clock::Time now) const {
  v1::EvaluationProgress progress;
  progress.set_samples_done(samples_);
  progress.set_samples_total(samples_total_);
  *progress.mutable_clean_accuracy() =
      EncodeRate(WilsonRate(clean_right_, samples_));
  for (int64_t robust : robust_) {
    *progress.add_robust_accuracy() = EncodeRate(WilsonRate(robust, samples_));
  }
  progress.set_passes(passes);
  // Before the first new tile there is no pace, and no end to foretell.
  progress.set_eta_seconds(-1);
  // The pace is that of this run: what the store had took no time.
  const double seconds = Seconds(now - started_);
  const auto done = static_cast<double>(new_samples());
  if (done > 0 && seconds > 0) {
    progress.set_samples_per_second(done / seconds);
    progress.set_eta_seconds(static_cast<double>(samples_total_ - samples_) *
                             seconds / done);
  }
  return progress;
}

}  // namespace adv
