#include "server/evaluations/stored_run.h"

#include <absl/strings/str_cat.h>

#include <utility>

#include "server/codec/codec.h"

namespace adv {

absl::Status EnterRun(EvaluationStore& store,
                      const google::protobuf::Timestamp& now,
                      EvaluationRun& run) {
  absl::StatusOr<v1::Evaluation> stored = store.Get(run.id);
  if (stored.ok()) {
    run.state = *std::move(stored);
    run.state.set_state(v1::EVALUATION_STATE_QUEUED);
    run.state.clear_error();
    run.state.clear_finished_at();
    return store.Update(run.state);
  }
  if (!absl::IsNotFound(stored.status())) return stored.status();
  run.state.set_id(run.id);
  *run.state.mutable_resolved() = run.evaluation.resolved;
  run.state.set_state(v1::EVALUATION_STATE_QUEUED);
  *run.state.mutable_created_at() = now;
  run.state.set_samples_total(run.evaluation.indices.size());
  return store.Create(run.state);
}

absl::StatusOr<std::set<int64_t>> LoadRecords(const EvaluationStore& store,
                                              EvaluationRun& run) {
  const auto records = store.RecordBytes(run.id);
  if (!records.ok()) return records.status();
  std::set<int64_t> done;
  for (const std::string& bytes : *records) {
    v1::EvaluationRecord record;
    if (!record.ParseFromString(bytes)) {
      return absl::DataLossError(
          absl::StrCat("a record of evaluation \"", run.id, "\" is damaged"));
    }
    done.insert(record.index());
    run.tally.Add(DecodeRecord(record));
  }
  return done;
}

absl::Status StoreRecords(EvaluationStore& store,
                          const std::vector<SampleRecord>& records,
                          double seconds, EvaluationRun& run) {
  std::vector<v1::EvaluationRecord> encoded;
  encoded.reserve(records.size());
  for (const SampleRecord& record : records) {
    encoded.push_back(EncodeRecord(record));
  }
  // Tiles of other threads go on counting. So this takes out of the counter
  // what it stores, and puts it back if the store cannot take it.
  const int64_t queries = run.costs.new_queries.exchange(0);
  absl::Status status = store.Append(run.id, encoded, {seconds, queries});
  if (!status.ok()) run.costs.new_queries += queries;
  return status;
}

absl::StatusOr<v1::EvaluationReport> MakeReport(
    const EvaluationStore& store, const EvaluationRun& run,
    const v1::Environment& environment) {
  const auto records = store.RecordBytes(run.id);
  if (!records.ok()) return records.status();
  const absl::StatusOr<Effort> spent = store.Spent(run.id);
  if (!spent.ok()) return spent.status();
  return ReportOf(run.evaluation, *records, environment, *spent);
}

}  // namespace adv
