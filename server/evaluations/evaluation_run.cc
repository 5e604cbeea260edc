#include "server/evaluations/evaluation_run.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "model_store/model_store.h"
#include "server/codec/codec.h"
#include "server/compute/cost.h"

namespace adv {

void EvaluationTally::Add(const SampleRecord& record) {
  ++samples;
  // A stored record is outside data: it may hold more results than the plan.
  robust.resize(record.attacks.size());
  // An image that is wrong without an attack is not robust under any.
  if (record.prediction != record.label) return;
  ++clean_right;
  for (size_t i = 0; i < record.attacks.size(); ++i) {
    if (record.attacks[i].prediction == record.label) ++robust[i];
  }
}

EvaluationRun::EvaluationRun(std::string run_id, ResolvedEvaluation resolved)
    : id(std::move(run_id)),
      evaluation(std::move(resolved)),
      cost_per_image(EvaluationCost(
          evaluation.plan, evaluation.model->network->traits().classes)) {
  tally.robust.resize(evaluation.plan.attacks.size() *
                      evaluation.plan.epsilons.size());
}

std::vector<std::vector<int64_t>> RemainingTiles(
    const std::vector<int64_t>& indices, int64_t tile_size, int at_once,
    const std::set<int64_t>& done) {
  // Below this many images the fixed cost of a pass outweighs what another
  // thread gains.
  constexpr int64_t kLeast = 8;
  std::vector<int64_t> remaining;
  std::copy_if(indices.begin(), indices.end(), std::back_inserter(remaining),
               [&done](int64_t index) { return done.count(index) == 0; });
  const auto count = static_cast<int64_t>(remaining.size());
  const int64_t share = (count + at_once - 1) / at_once;
  const int64_t size = std::min(tile_size, std::max(share, kLeast));
  std::vector<std::vector<int64_t>> tiles;
  for (int64_t begin = 0; begin < count; begin += size) {
    tiles.emplace_back(remaining.begin() + begin,
                       remaining.begin() + std::min(begin + size, count));
  }
  return tiles;
}

v1::EvaluationProgress ProgressOf(const EvaluationRun& run, Clock::Time now) {
  const EvaluationTally& tally = run.tally;
  const int64_t total = run.state.samples_total();
  v1::EvaluationProgress progress;
  progress.set_samples_done(tally.samples);
  progress.set_samples_total(total);
  *progress.mutable_clean_accuracy() =
      EncodeRate(WilsonRate(tally.clean_right, tally.samples));
  for (int64_t robust : tally.robust) {
    *progress.add_robust_accuracy() =
        EncodeRate(WilsonRate(robust, tally.samples));
  }
  progress.set_passes(run.costs.passes);
  const double seconds = Seconds(now - run.started);
  const double done = static_cast<double>(tally.samples - run.samples_before);
  // Before the first new tile there is no pace, and no end to foretell.
  progress.set_eta_seconds(-1);
  if (done > 0 && seconds > 0) {
    progress.set_samples_per_second(done / seconds);
    progress.set_eta_seconds(static_cast<double>(total - tally.samples) *
                             seconds / done);
  }
  return progress;
}

absl::StatusOr<v1::EvaluationReport> ReportOf(
    const ResolvedEvaluation& evaluation,
    const std::vector<std::string>& records, v1::Environment environment,
    const Effort& spent) {
  std::vector<SampleRecord> samples;
  samples.reserve(records.size());
  for (const std::string& bytes : records) {
    v1::EvaluationRecord record;
    if (!record.ParseFromString(bytes)) {
      return absl::DataLossError(absl::StrCat("record ", samples.size(),
                                              " of the evaluation is damaged"));
    }
    samples.push_back(DecodeRecord(record));
  }
  v1::EvaluationReport report = EncodeReport(
      BuildReport(
          evaluation.plan,
          {evaluation.dataset->class_names, evaluation.dataset->superclasses},
          std::move(samples)),
      evaluation.resolved, evaluation.model->manifest,
      evaluation.dataset->class_names);
  // The digest is of the bytes as they are stored, so that clients can check
  // what they download.
  report.set_records_sha256(Sha256Hex(absl::StrJoin(records, "")));
  environment.set_wall_seconds(spent.seconds);
  if (spent.seconds > 0) {
    environment.set_samples_per_second(static_cast<double>(records.size()) /
                                       spent.seconds);
  }
  environment.set_queries_sent(spent.queries);
  environment.set_batch_dependent(
      !evaluation.model->network->traits().exact_in_any_batch);
  *report.mutable_environment() = std::move(environment);
  return report;
}

}  // namespace adv
