#include "server/evaluations/resume.h"

#include <absl/strings/str_cat.h>

#include <utility>

#include "server/codec/codec.h"

namespace adv {
namespace {

// Creates the evaluation in the store and returns it as it is there.
absl::StatusOr<v1::Evaluation> Create(EvaluationStore& store,
                                      const std::string& id,
                                      const ResolvedEvaluation& evaluation,
                                      bool cancel_on_disconnect,
                                      const google::protobuf::Timestamp& now) {
  v1::Evaluation created;
  created.set_id(id);
  *created.mutable_resolved() = evaluation.resolved;
  created.set_state(v1::EVALUATION_STATE_QUEUED);
  *created.mutable_created_at() = now;
  created.set_samples_total(evaluation.indices.size());
  created.set_cancel_on_disconnect(cancel_on_disconnect);
  if (absl::Status status = store.Create(created); !status.ok()) return status;
  return created;
}

}  // namespace

absl::StatusOr<v1::Evaluation> EnterQueued(
    EvaluationStore& store, const std::string& id,
    const ResolvedEvaluation& evaluation, bool cancel_on_disconnect,
    const google::protobuf::Timestamp& now) {
  absl::StatusOr<v1::Evaluation> stored = store.Get(id);
  if (absl::IsNotFound(stored.status())) {
    auto created = Create(store, id, evaluation, cancel_on_disconnect, now);
    // Another server may just have been quicker.
    if (!absl::IsAlreadyExists(created.status())) return created;
    stored = store.Get(id);
  }
  if (!stored.ok()) return stored;
  if (IsUnderway(*stored)) {
    // It is as it was left, or other servers work on it.
    if (cancel_on_disconnect || !stored->cancel_on_disconnect()) return stored;
    stored->set_cancel_on_disconnect(false);
    absl::Status status = store.OutliveCallers(id);
    if (!status.ok()) return status;
    return stored;
  }
  // It ended without a report and begins again. Its first date stays.
  stored->set_state(v1::EVALUATION_STATE_QUEUED);
  stored->clear_error();
  stored->clear_finished_at();
  stored->set_cancel_on_disconnect(cancel_on_disconnect);
  absl::Status status = store.Update(*stored);
  if (!status.ok()) return status;
  return stored;
}

absl::StatusOr<std::map<int64_t, SampleRecord>> ReadUnfinished(
    const EvaluationStore& store, const std::string& id,
    const ResolvedEvaluation& evaluation) {
  const auto all = store.UnfinishedBytes(id);
  if (!all.ok()) return all.status();
  std::map<int64_t, SampleRecord> unfinished;
  for (const std::string& bytes : *all) {
    v1::EvaluationRecord record;
    if (!record.ParseFromString(bytes)) continue;
    const auto known = static_cast<size_t>(record.attacks_size());
    if (known == 0 || known >= evaluation.results()) continue;
    unfinished[record.index()] = DecodeRecord(record);
  }
  return unfinished;
}

absl::StatusOr<StoredProgress> ReadProgress(
    const EvaluationStore& store, const std::string& id,
    const ResolvedEvaluation& evaluation) {
  const auto records = store.RecordBytes(id);
  if (!records.ok()) return records.status();
  auto unfinished = ReadUnfinished(store, id, evaluation);
  if (!unfinished.ok()) return unfinished.status();
  StoredProgress progress{
      {},
      ProgressCount(static_cast<int64_t>(evaluation.indices.size()),
                    evaluation.results()),
      *std::move(unfinished)};
  for (const std::string& bytes : *records) {
    v1::EvaluationRecord record;
    if (!record.ParseFromString(bytes)) {
      return absl::DataLossError(
          absl::StrCat("a record of evaluation \"", id, "\" is damaged"));
    }
    progress.done.insert(record.index());
    progress.count.Add(DecodeRecord(record));
  }
  return progress;
}

}  // namespace adv
