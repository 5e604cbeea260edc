#include "server/evaluations/sqlite_evaluation_store.h"

#include <absl/strings/str_cat.h>
#include <google/protobuf/util/time_util.h>

#include <cstdint>
#include <utility>

#include "server/codec/deterministic_bytes.h"
#include "server/compute/mutex.h"
#include "server/evaluations/sqlite.h"
#include "server/evaluations/sqlite_records.h"
#include "server/evaluations/sqlite_schema.h"
#include "server/evaluations/store_rules.h"

namespace adv {
namespace {

// What ReadEvaluation reads, and last the token for the next page.
constexpr char kColumns[] =
    "SELECT id, resolved, state, error, created_ms, finished_ms, "
    "samples_done, samples_total, cancel_on_disconnect, seq";

// From the columns of kColumns.
absl::StatusOr<v1::Evaluation> ReadEvaluation(const Statement& row) {
  EvaluationRow read;
  read.id = row.Text(0);
  read.resolved = row.Text(1);
  read.state = row.Int(2);
  read.error = row.Text(3);
  read.created_ms = row.Int(4);
  if (!row.IsNull(5)) read.finished_ms = row.Int(5);
  read.samples_done = row.Int(6);
  read.samples_total = row.Int(7);
  read.cancel_on_disconnect = row.Int(8) != 0;
  return DecodeRow(read);
}

class SqliteEvaluationStore final : public EvaluationStore {
 public:
  SqliteEvaluationStore(std::unique_ptr<Database> database, int64_t max_bytes)
      : max_bytes_(max_bytes), database_(std::move(database)) {}

  absl::Status Create(const v1::Evaluation& evaluation) override;
  absl::StatusOr<std::string> ResolveId(absl::string_view id) const override;
  absl::StatusOr<v1::Evaluation> Get(const std::string& id) const override;
  absl::StatusOr<EvaluationPage> List(int64_t page_size,
                                      const std::string& page_token,
                                      const std::string& model) const override;
  absl::Status Update(const v1::Evaluation& evaluation) override;
  absl::Status OutliveCallers(const std::string& id) override;
  absl::Status Append(const std::string& id,
                      const std::vector<v1::EvaluationRecord>& records,
                      const Effort& effort) override;
  absl::Status Keep(const std::string& id,
                    const std::vector<v1::EvaluationRecord>& unfinished,
                    const Effort& effort) override;
  absl::StatusOr<RecordPage> Records(
      const std::string& id, int64_t page_size,
      const std::string& page_token) const override;
  absl::StatusOr<std::vector<std::string>> RecordBytes(
      const std::string& id) const override;
  absl::StatusOr<std::vector<std::string>> UnfinishedBytes(
      const std::string& id) const override;
  absl::StatusOr<Effort> Spent(const std::string& id) const override;
  absl::Status Delete(const std::string& id) override;
  absl::StatusOr<std::vector<v1::Evaluation>> Underway() const override;
  absl::StatusOr<StoreSize> Size() const override;

 private:
  // The row of `id`. NOT_FOUND.
  absl::StatusOr<int64_t> Find(const std::string& id) const
      ADV_REQUIRES(mutex_);

  const int64_t max_bytes_;
  mutable Mutex mutex_;
  // Under mutex_, also in the transactions that a call hands over.
  const std::unique_ptr<Database> database_;
};

absl::Status SqliteEvaluationStore::Create(const v1::Evaluation& evaluation) {
  using google::protobuf::util::TimeUtil;
  MutexLock lock(mutex_);
  if (Find(evaluation.id()).ok()) {
    return absl::AlreadyExistsError(
        absl::StrCat("evaluation \"", evaluation.id(), "\" is there already"));
  }
  Statement insert(*database_,
                   "INSERT INTO evaluations (id, model, resolved, state, "
                   "error, created_ms, samples_done, samples_total, seconds, "
                   "cancel_on_disconnect) "
                   "VALUES (?, ?, ?, ?, '', ?, 0, ?, 0, ?)");
  insert.Bind(evaluation.id());
  // A column of its own, so that List can filter by it.
  insert.Bind(evaluation.resolved().model().name());
  insert.BindBytes(DeterministicBytes(evaluation.resolved()));
  insert.Bind(static_cast<int64_t>(evaluation.state()));
  insert.Bind(TimeUtil::TimestampToMilliseconds(evaluation.created_at()));
  insert.Bind(static_cast<int64_t>(evaluation.samples_total()));
  insert.Bind(static_cast<int64_t>(evaluation.cancel_on_disconnect()));
  return insert.Run();
}

absl::StatusOr<std::string> SqliteEvaluationStore::ResolveId(
    absl::string_view id) const {
  if (absl::Status status = CheckIdBeginning(id); !status.ok()) return status;
  MutexLock lock(mutex_);
  // Hexadecimal digits all sort before 'g', so these are the ids that begin
  // with `id`. Two are enough to know that it is not unique.
  Statement select(*database_,
                   "SELECT id FROM evaluations WHERE id >= ?1 AND "
                   "id < ?1 || 'g' ORDER BY id LIMIT 2");
  select.Bind(std::string(id));
  std::vector<std::string> found;
  while (select.Step()) found.push_back(select.Text(0));
  if (!select.status().ok()) return select.status();
  return OneId(id, found);
}

absl::StatusOr<int64_t> SqliteEvaluationStore::Find(
    const std::string& id) const {
  Statement select(*database_, "SELECT seq FROM evaluations WHERE id = ?");
  select.Bind(id);
  if (select.Step()) return select.Int(0);
  if (!select.status().ok()) return select.status();
  return UnknownEvaluation(id);
}

absl::StatusOr<v1::Evaluation> SqliteEvaluationStore::Get(
    const std::string& id) const {
  MutexLock lock(mutex_);
  Statement select(*database_, absl::StrCat(kColumns,
                                            ", report FROM "
                                            "evaluations WHERE id = ?"));
  select.Bind(id);
  if (!select.Step()) {
    return select.status().ok() ? UnknownEvaluation(id) : select.status();
  }
  absl::StatusOr<v1::Evaluation> evaluation = ReadEvaluation(select);
  if (evaluation.ok() && !select.IsNull(10) &&
      !evaluation->mutable_report()->ParseFromString(select.Text(10))) {
    return absl::DataLossError(
        absl::StrCat("evaluation ", id, ": its report is damaged"));
  }
  return evaluation;
}

absl::StatusOr<EvaluationPage> SqliteEvaluationStore::List(
    int64_t page_size, const std::string& page_token,
    const std::string& model) const {
  // A page token is the row after which the page begins. Rows are numbered by
  // age, so pages stay right while evaluations are added.
  const absl::StatusOr<int64_t> before = ParseToken(page_token, INT64_MAX);
  if (!before.ok()) return before.status();
  MutexLock lock(mutex_);
  Statement select(*database_,
                   absl::StrCat(kColumns,
                                " FROM evaluations WHERE seq < ?1 AND "
                                "(?2 = '' OR model = ?2) "
                                "ORDER BY seq DESC LIMIT ?3"));
  select.Bind(*before);
  select.Bind(model);
  // One more than asked for tells whether a page follows.
  select.Bind(page_size + 1);
  EvaluationPage page;
  int64_t last = 0;
  while (select.Step()) {
    if (static_cast<int64_t>(page.evaluations.size()) == page_size) {
      page.next_page_token = absl::StrCat(last);
      break;
    }
    absl::StatusOr<v1::Evaluation> evaluation = ReadEvaluation(select);
    if (!evaluation.ok()) return evaluation.status();
    page.evaluations.push_back(*std::move(evaluation));
    last = select.Int(9);
  }
  if (!select.status().ok()) return select.status();
  return page;
}

absl::Status SqliteEvaluationStore::Update(const v1::Evaluation& evaluation) {
  using google::protobuf::util::TimeUtil;
  MutexLock lock(mutex_);
  Statement update(*database_,
                   "UPDATE evaluations SET state = ?, error = ?, "
                   "finished_ms = ?, report = ?, cancel_on_disconnect = ? "
                   "WHERE id = ?");
  update.Bind(static_cast<int64_t>(evaluation.state()));
  update.Bind(evaluation.error());
  // What is absent becomes null: an evaluation that runs again has no end.
  if (evaluation.has_finished_at()) {
    update.Bind(TimeUtil::TimestampToMilliseconds(evaluation.finished_at()));
  } else {
    update.BindNull();
  }
  if (evaluation.has_report()) {
    update.BindBytes(DeterministicBytes(evaluation.report()));
  } else {
    update.BindNull();
  }
  update.Bind(static_cast<int64_t>(evaluation.cancel_on_disconnect()));
  update.Bind(evaluation.id());
  if (absl::Status status = update.Run(); !status.ok()) return status;
  return database_->changes() == 0 ? UnknownEvaluation(evaluation.id())
                                   : absl::OkStatus();
}

absl::Status SqliteEvaluationStore::OutliveCallers(const std::string& id) {
  MutexLock lock(mutex_);
  Statement update(*database_,
                   "UPDATE evaluations SET cancel_on_disconnect = 0 "
                   "WHERE id = ?");
  update.Bind(id);
  if (absl::Status status = update.Run(); !status.ok()) return status;
  return database_->changes() == 0 ? UnknownEvaluation(id) : absl::OkStatus();
}

absl::Status SqliteEvaluationStore::Append(
    const std::string& id, const std::vector<v1::EvaluationRecord>& records,
    const Effort& effort) {
  MutexLock lock(mutex_);
  const absl::StatusOr<int64_t> seq = Find(id);
  if (!seq.ok()) return seq.status();
  // Together, since a kill in between would leave counts that are wrong.
  return InTransaction(*database_, [&] {
    absl::Status status = InsertRecords(*database_, *seq, records);
    return status.ok() ? AddEffort(*database_, *seq, effort) : status;
  });
}

absl::Status SqliteEvaluationStore::Keep(
    const std::string& id, const std::vector<v1::EvaluationRecord>& unfinished,
    const Effort& effort) {
  MutexLock lock(mutex_);
  const absl::StatusOr<int64_t> seq = Find(id);
  if (!seq.ok()) return seq.status();
  return InTransaction(*database_, [&] {
    absl::Status status = KeepUnfinished(*database_, *seq, unfinished);
    return status.ok() ? AddEffort(*database_, *seq, effort) : status;
  });
}

absl::StatusOr<RecordPage> SqliteEvaluationStore::Records(
    const std::string& id, int64_t page_size,
    const std::string& page_token) const {
  // A page token is the index of the page's first record.
  const absl::StatusOr<int64_t> from = ParseToken(page_token, 0);
  if (!from.ok()) return from.status();
  MutexLock lock(mutex_);
  const absl::StatusOr<int64_t> seq = Find(id);
  if (!seq.ok()) return seq.status();
  return ReadRecordPage(*database_, *seq, *from, page_size);
}

absl::StatusOr<std::vector<std::string>> SqliteEvaluationStore::RecordBytes(
    const std::string& id) const {
  MutexLock lock(mutex_);
  const absl::StatusOr<int64_t> seq = Find(id);
  if (!seq.ok()) return seq.status();
  return ReadRecordBytes(*database_, *seq);
}

absl::StatusOr<std::vector<std::string>> SqliteEvaluationStore::UnfinishedBytes(
    const std::string& id) const {
  MutexLock lock(mutex_);
  const absl::StatusOr<int64_t> seq = Find(id);
  if (!seq.ok()) return seq.status();
  return ReadUnfinishedBytes(*database_, *seq);
}

absl::StatusOr<Effort> SqliteEvaluationStore::Spent(
    const std::string& id) const {
  MutexLock lock(mutex_);
  Statement select(*database_,
                   "SELECT seconds, queries FROM evaluations WHERE id = ?");
  select.Bind(id);
  if (select.Step()) return Effort{select.Real(0), select.Int(1)};
  return select.status().ok() ? UnknownEvaluation(id) : select.status();
}

absl::Status SqliteEvaluationStore::Delete(const std::string& id) {
  MutexLock lock(mutex_);
  // The records go with it, by ON DELETE CASCADE.
  Statement remove(*database_, "DELETE FROM evaluations WHERE id = ?");
  remove.Bind(id);
  if (absl::Status status = remove.Run(); !status.ok()) return status;
  return database_->changes() == 0 ? UnknownEvaluation(id) : absl::OkStatus();
}

absl::StatusOr<std::vector<v1::Evaluation>> SqliteEvaluationStore::Underway()
    const {
  MutexLock lock(mutex_);
  Statement select(*database_,
                   absl::StrCat(kColumns,
                                " FROM evaluations WHERE state IN (?, ?) "
                                "ORDER BY seq"));
  select.Bind(static_cast<int64_t>(v1::EVALUATION_STATE_QUEUED));
  select.Bind(static_cast<int64_t>(v1::EVALUATION_STATE_RUNNING));
  std::vector<v1::Evaluation> underway;
  while (select.Step()) {
    absl::StatusOr<v1::Evaluation> evaluation = ReadEvaluation(select);
    if (!evaluation.ok()) return evaluation.status();
    underway.push_back(*std::move(evaluation));
  }
  if (!select.status().ok()) return select.status();
  return underway;
}

absl::StatusOr<StoreSize> SqliteEvaluationStore::Size() const {
  MutexLock lock(mutex_);
  const auto page = database_->Query("PRAGMA page_size");
  if (!page.ok()) return page.status();
  const auto pages = database_->Query("PRAGMA page_count");
  if (!pages.ok()) return pages.status();
  // Deleted rows leave pages in the file that the next ones fill.
  const auto free = database_->Query("PRAGMA freelist_count");
  if (!free.ok()) return free.status();
  return StoreSize{(*pages - *free) * *page, max_bytes_};
}

}  // namespace

absl::StatusOr<std::unique_ptr<EvaluationStore>> OpenSqliteStore(
    const SqliteStoreOptions& options) {
  auto database =
      Database::Open(options.path.empty() ? ":memory:" : options.path);
  absl::Status status = database.status();
  if (status.ok()) status = PrepareSchema(**database, options.max_bytes);
  if (!status.ok()) {
    return absl::Status(
        status.code(),
        absl::StrCat("evaluations in ", options.path, ": ", status.message()));
  }
  return std::make_unique<SqliteEvaluationStore>(*std::move(database),
                                                 options.max_bytes);
}

}  // namespace adv
