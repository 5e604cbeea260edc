#include <chrono>
#include <utility>

#include "server/codec/codec.h"
#include "server/evaluations/evaluation_report.h"
#include "server/evaluations/evaluation_run.h"
#include "server/evaluations/resume.h"

// What a run does differently when other servers work on the evaluation, too.
namespace adv {
namespace {

// Between two calls of a database that is away.
constexpr std::chrono::milliseconds kAgain{200};

}  // namespace

bool EvaluationRun::TakePlace() {
  MutexLock lock(mutex_);
  return schedule_.TakePlace();
}

absl::Status EvaluationRun::ComputeTaken(const TakenTile& taken,
                                         const BeforePass& before_pass,
                                         const v1::Environment& environment) {
  SetRunning();
  const bool is_report = taken.number == static_cast<int64_t>(tiles_.size());
  absl::Status status =
      is_report ? StoreReport(environment) : ComputeRecords(taken, before_pass);
  // Somebody else has it, or the evaluation has ended: the next look tells.
  return absl::IsAborted(status) ? absl::OkStatus() : status;
}

absl::Status EvaluationRun::ComputeRecords(const TakenTile& taken,
                                           const BeforePass& before_pass) {
  const auto tile = static_cast<size_t>(taken.number);
  UnfinishedRecords known;
  // Whoever had the tile before may have kept a beginning of it. A database
  // that is away costs no more than that.
  if (taken.again) {
    if (const auto before = ReadUnfinished(store_, id_, evaluation_);
        before.ok()) {
      known = KnownOf(tile, *before);
    }
  }
  const auto records = work_.Compute(
      tiles_[tile], std::move(known), before_pass,
      [&](const auto& encoded, const Effort& effort) {
        return Insist([&] {
          return store_.queue()->Finish(id_, taken.number, encoded, effort);
        });
      });
  if (!records.ok()) return records.status();
  if (CountTile(tile, *records)) SendProgress();
  return absl::OkStatus();
}

absl::Status EvaluationRun::StoreReport(const v1::Environment& environment) {
  v1::Evaluation ended;
  absl::Status status = Insist([&]() -> absl::Status {
    auto report = MakeReport(store_, id_, evaluation_, environment);
    if (!report.ok()) return report.status();
    ended = Snapshot();
    ended.set_state(v1::EVALUATION_STATE_SUCCEEDED);
    ended.set_samples_done(ended.samples_total());
    *ended.mutable_finished_at() = DateOf(clock_);
    *ended.mutable_report() = *std::move(report);
    return store_.queue()->End(ended).status();
  });
  if (!status.ok()) return status;
  MutexLock lock(mutex_);
  report_ = ended.report();
  schedule_.Complete();
  return absl::OkStatus();
}

absl::Status EvaluationRun::Insist(const std::function<absl::Status()>& call) {
  absl::Status status = call();
  while (absl::IsUnavailable(status)) {
    {
      MutexLock lock(mutex_);
      const Clock::Time again = clock_.Now() + kAgain;
      while (schedule_.outcome().ok() && clock_.Now() < again) {
        clock_.WaitUntil(ends_early_, mutex_, again);
      }
      if (!schedule_.outcome().ok()) return status;
    }
    status = call();
  }
  return status;
}

bool EvaluationRun::CountTile(size_t tile,
                              const std::vector<SampleRecord>& records) {
  {
    MutexLock lock(mutex_);
    if (counted_[tile]) return false;
    counted_[tile] = true;
  }
  Count(records);
  return true;
}

absl::Status EvaluationRun::CountOthers() {
  const auto done = store_.queue()->Done(id_);
  if (!done.ok()) return done.status();
  bool news = false;
  for (const int64_t number : *done) {
    const auto tile = static_cast<size_t>(number);
    {
      MutexLock lock(mutex_);
      if (tile >= tiles_.size() || counted_[tile]) continue;
    }
    const auto bytes = store_.queue()->RecordsOf(id_, tiles_[tile]);
    if (!bytes.ok()) return bytes.status();
    std::vector<SampleRecord> records;
    for (const std::string& record_bytes : *bytes) {
      v1::EvaluationRecord record;
      // The report will say that it is damaged.
      if (record.ParseFromString(record_bytes)) {
        records.push_back(DecodeRecord(record));
      }
    }
    if (!CountTile(tile, records)) continue;
    MutexLock lock(mutex_);
    others_samples_ += static_cast<int64_t>(records.size());
    news = true;
  }
  if (news) SendProgress();
  return absl::OkStatus();
}

void EvaluationRun::EndElsewhere(const v1::Evaluation& evaluation) {
  {
    MutexLock lock(mutex_);
    // A report that this run stored is the end that others would tell of.
    if (report_ || elsewhere_) return;
    elsewhere_ = evaluation;
  }
  EndEarly(absl::CancelledError("it ended at another server"));
  cancel_.Cancel();
}

bool EvaluationRun::ended_elsewhere() const {
  MutexLock lock(mutex_);
  return elsewhere_.has_value();
}

}  // namespace adv
