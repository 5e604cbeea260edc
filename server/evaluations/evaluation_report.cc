#include "server/evaluations/evaluation_report.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <utility>
#include <vector>

#include "engine/evaluation/build_report.h"
#include "model_store/model_store.h"
#include "server/codec/codec.h"

namespace adv {
namespace {

// The records of the store's bytes, in the same order. DATA_LOSS if the bytes
// of one are no record.
absl::StatusOr<std::vector<SampleRecord>> DecodeRecords(
    const std::vector<std::string>& records) {
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
  return samples;
}

// The report without digest and environment. It needs nothing but the records
// and what the specification names, so it is the same whenever it is made.
v1::EvaluationReport BuildFrom(const ResolvedEvaluation& evaluation,
                               std::vector<SampleRecord> samples) {
  const Dataset& dataset = *evaluation.dataset;
  const EvaluationReport report =
      BuildReport(evaluation.plan, {dataset.class_names, dataset.superclasses},
                  std::move(samples));
  return EncodeReport(report, evaluation.resolved, evaluation.model->manifest,
                      dataset.class_names);
}

}  // namespace

absl::StatusOr<v1::EvaluationReport> MakeReport(
    const EvaluationStore& store, const std::string& id,
    const ResolvedEvaluation& evaluation, v1::Environment environment) {
  const auto records = store.RecordBytes(id);
  if (!records.ok()) return records.status();
  const absl::StatusOr<Effort> spent = store.Spent(id);
  if (!spent.ok()) return spent.status();
  auto samples = DecodeRecords(*records);
  if (!samples.ok()) return samples.status();

  v1::EvaluationReport report = BuildFrom(evaluation, *std::move(samples));
  // The digest is of the bytes as they are stored, so that clients can check
  // what they download.
  report.set_records_sha256(Sha256Hex(absl::StrJoin(*records, "")));
  // The effort of all runs of the evaluation, not of the last one alone.
  environment.set_wall_seconds(spent->seconds);
  if (spent->seconds > 0) {
    environment.set_samples_per_second(static_cast<double>(records->size()) /
                                       spent->seconds);
  }
  environment.set_queries_sent(spent->queries);
  environment.set_batch_dependent(
      !evaluation.model->network->traits().exact_in_any_batch);
  *report.mutable_environment() = std::move(environment);
  return report;
}

}  // namespace adv
