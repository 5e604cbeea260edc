#include <absl/strings/str_cat.h>

#include <utility>

#include "server/evaluations/evaluation_run.h"
#include "server/evaluations/evaluation_runner.h"

// What the runner tells of evaluations, and how it is told to end them.
namespace adv {

absl::StatusOr<v1::Evaluation> EvaluationRunner::Stored(
    const std::string& id) const {
  absl::StatusOr<v1::Evaluation> evaluation = store_->Get(id);
  if (evaluation.ok()) Refresh(&*evaluation);
  return evaluation;
}

void EvaluationRunner::Refresh(v1::Evaluation* evaluation) const {
  // The store still has the state before an end that it could not take.
  const auto unsaved = unsaved_.find(evaluation->id());
  if (unsaved != unsaved_.end()) *evaluation = unsaved->second;
  const auto running = runs_.find(evaluation->id());
  if (running == runs_.end()) return;
  // Another server may have ended it.
  if (queue_ != nullptr && !IsUnderway(*evaluation)) return;
  // Nothing of a run but its records is stored before its end.
  *evaluation = running->second->Snapshot();
}

absl::StatusOr<v1::Evaluation> EvaluationRunner::Get(
    const std::string& id) const {
  const absl::StatusOr<std::string> whole = store_->ResolveId(id);
  if (!whole.ok()) return whole.status();
  MutexLock lock(mutex_);
  return Stored(*whole);
}

absl::StatusOr<v1::Evaluation> EvaluationRunner::Cancel(const std::string& id) {
  const absl::StatusOr<std::string> whole = store_->ResolveId(id);
  if (!whole.ok()) return whole.status();
  if (queue_ != nullptr) {
    // Stored first: the others stop when they see it.
    absl::Status status = EndForAll(*whole);
    if (!status.ok()) return status;
  }
  MutexLock lock(mutex_);
  const auto running = runs_.find(*whole);
  // Before the state is read, so that the answer shows it as CANCELLED.
  if (running != runs_.end()) running->second->Cancel();
  absl::StatusOr<v1::Evaluation> evaluation = Stored(*whole);
  if (evaluation.ok()) evaluation->clear_report();
  return evaluation;
}

absl::Status EvaluationRunner::EndForAll(const std::string& id) {
  absl::StatusOr<v1::Evaluation> evaluation = store_->Get(id);
  if (!evaluation.ok()) return evaluation.status();
  if (!IsUnderway(*evaluation)) return absl::OkStatus();
  SetEarlyEnd(absl::CancelledError("cancelled"), &*evaluation);
  *evaluation->mutable_finished_at() = DateOf(clock_);
  return queue_->End(*evaluation).status();
}

void EvaluationRunner::CancelIfLeft(const std::string& id) {
  MutexLock lock(mutex_);
  const auto running = runs_.find(id);
  if (running == runs_.end()) return;
  EvaluationRun& run = *running->second;
  // The runner's lock is held, so nobody can join between the question and
  // Cancel.
  if (!run.audience().left()) return;
  if (queue_ != nullptr) {
    // Others may have asked for it at another server.
    const auto stored = store_->Get(id);
    if (!stored.ok() || !stored->cancel_on_disconnect()) return;
  }
  run.Cancel();
  if (sharing_ != nullptr) sharing_->Wake();  // ends it if no tile runs here
}

absl::StatusOr<EvaluationPage> EvaluationRunner::List(
    int64_t page_size, const std::string& page_token,
    const std::string& model) const {
  absl::StatusOr<EvaluationPage> page =
      store_->List(page_size, page_token, model);
  if (!page.ok()) return page;
  MutexLock lock(mutex_);
  for (v1::Evaluation& evaluation : page->evaluations) Refresh(&evaluation);
  return page;
}

absl::StatusOr<RecordPage> EvaluationRunner::Records(
    const std::string& id, int64_t page_size,
    const std::string& page_token) const {
  const absl::StatusOr<std::string> whole = store_->ResolveId(id);
  if (!whole.ok()) return whole.status();
  // The store gets the records tile by tile, so it has them while the
  // evaluation runs, too.
  return store_->Records(*whole, page_size, page_token);
}

absl::Status EvaluationRunner::Delete(const std::string& id) {
  const absl::StatusOr<std::string> whole = store_->ResolveId(id);
  if (!whole.ok()) return whole.status();
  MutexLock lock(mutex_);
  // The lock keeps the evaluation from starting again before it is deleted.
  if (const auto run = runs_.find(*whole); run != runs_.end()) {
    if (run->second->ends_early()) return JustEnding(*whole);
    return absl::FailedPreconditionError(absl::StrCat(
        "evaluation \"", *whole, "\" runs: cancel it before deleting it"));
  }
  if (queue_ != nullptr) {
    const auto stored = store_->Get(*whole);
    if (stored.ok() && IsUnderway(*stored)) {
      return absl::FailedPreconditionError(absl::StrCat(
          "evaluation \"", *whole, "\" runs: cancel it before deleting it"));
    }
  }
  absl::Status status = store_->Delete(*whole);
  if (status.ok()) unsaved_.erase(*whole);
  return status;
}

void EvaluationRunner::Stop() {
  MutexLock lock(mutex_);
  // From here on Start refuses, so no run can come after this loop.
  stopping_ = true;
  for (const auto& [id, run] : runs_) {
    run->EndEarly(absl::UnavailableError("the server is stopping"));
  }
  // Ends those of which no tile runs here.
  if (sharing_ != nullptr) sharing_->Wake();
}

EvaluationRunnerStats EvaluationRunner::stats() const {
  MutexLock lock(mutex_);
  EvaluationRunnerStats stats = stats_;
  stats.running = static_cast<int64_t>(runs_.size());
  for (const auto& [id, run] : runs_) {
    stats.images += run->images();  // `stats_` counts a run when it ends
    const v1::EvaluationProgress progress = run->Progress();
    const v1::ResolvedSpec& resolved = run->evaluation().resolved;
    RunningEvaluations& of_model = stats.by_model[resolved.model().name()];
    of_model.images += static_cast<int64_t>(progress.samples_total());
    of_model.images_done += static_cast<int64_t>(progress.samples_done());
    of_model.seconds_left =
        std::max(of_model.seconds_left, progress.eta_seconds());
  }
  return stats;
}

}  // namespace adv
