#include "server/evaluations/postgres_evaluation_store.h"

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <google/protobuf/util/time_util.h>

#include <cstdint>
#include <utility>

#include "server/codec/deterministic_bytes.h"
#include "server/evaluations/postgres_schema.h"
#include "server/evaluations/postgres_tile_queue.h"
#include "server/evaluations/store_rules.h"

namespace adv {
namespace {

// What ReadEvaluation reads, and last the token for the next page.
constexpr char kPostgresColumns[] =
    "SELECT id, resolved, state, error, created_ms, finished_ms, "
    "samples_done + (SELECT coalesce(sum(samples), 0)::bigint FROM tiles "
    "                WHERE evaluation = seq), "
    "samples_total, cancel_on_disconnect, seq";

absl::StatusOr<v1::Evaluation> ReadEvaluation(const SqlRows& rows, int row) {
  EvaluationRow read;
  read.id = rows.Text(row, 0);
  read.resolved = rows.Text(row, 1);
  read.state = rows.Int(row, 2);
  read.error = rows.Text(row, 3);
  read.created_ms = rows.Int(row, 4);
  if (!rows.IsNull(row, 5)) read.finished_ms = rows.Int(row, 5);
  read.samples_done = rows.Int(row, 6);
  read.samples_total = rows.Int(row, 7);
  read.cancel_on_disconnect = rows.Int(row, 8) != 0;
  return DecodeRow(read);
}

std::vector<std::string> FirstColumn(const SqlRows& rows) {
  std::vector<std::string> texts;
  texts.reserve(rows.size());
  for (int row = 0; row < rows.size(); ++row)
    texts.push_back(rows.Text(row, 0));
  return texts;
}

class PostgresEvaluationStore final : public EvaluationStore {
 public:
  PostgresEvaluationStore(std::shared_ptr<SharedConnection> shared,
                          std::unique_ptr<TileQueue> queue)
      : shared_(std::move(shared)), queue_(std::move(queue)) {}

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
  TileQueue* queue() override { return queue_.get(); }

 private:
  using Writing = absl::Status (*)(PostgresConnection&, int64_t,
                                   const std::vector<v1::EvaluationRecord>&);

  // The row of `id`. NOT_FOUND.
  absl::StatusOr<int64_t> Find(const std::string& id) const
      ADV_REQUIRES(shared_->mutex);
  // Writes records, counts `whole` of them as done and adds their cost.
  absl::Status Write(const std::string& id,
                     const std::vector<v1::EvaluationRecord>& records,
                     Writing write, int64_t whole, const Effort& effort)
      ADV_EXCLUDES(shared_->mutex);
  // One row of `id` must be changed by the statement.
  absl::Status Change(const std::string& id, const std::string& sql,
                      const std::vector<SqlValue>& values)
      ADV_EXCLUDES(shared_->mutex);
  absl::StatusOr<std::vector<std::string>> Bytes(const char* table,
                                                 const std::string& id) const
      ADV_EXCLUDES(shared_->mutex);
  PostgresConnection& connection() const { return *shared_->connection; }

  const std::shared_ptr<SharedConnection> shared_;
  const std::unique_ptr<TileQueue> queue_;
};

absl::Status PostgresEvaluationStore::Create(const v1::Evaluation& evaluation) {
  using google::protobuf::util::TimeUtil;
  MutexLock lock(shared_->mutex);
  absl::Status status =
      connection()
          .Run(
              "INSERT INTO evaluations (id, model, resolved, state, error, "
              "created_ms, samples_done, samples_total, seconds, queries, "
              "cancel_on_disconnect) "
              "VALUES ($1, $2, $3, $4, '', $5, 0, $6, 0, 0, $7)",
              {evaluation.id(), evaluation.resolved().model().name(),
               SqlValue::Bytes(DeterministicBytes(evaluation.resolved())),
               static_cast<int64_t>(evaluation.state()),
               TimeUtil::TimestampToMilliseconds(evaluation.created_at()),
               static_cast<int64_t>(evaluation.samples_total()),
               evaluation.cancel_on_disconnect() ? "true" : "false"})
          .status();
  if (!absl::IsAlreadyExists(status)) return status;
  return absl::AlreadyExistsError(
      absl::StrCat("evaluation \"", evaluation.id(), "\" is there already"));
}

absl::StatusOr<std::string> PostgresEvaluationStore::ResolveId(
    absl::string_view id) const {
  if (absl::Status status = CheckIdBeginning(id); !status.ok()) return status;
  MutexLock lock(shared_->mutex);
  // Hexadecimal digits all sort before 'g', so these are the ids that begin
  // with `id`. Two are enough to know that it is not unique.
  const auto rows = connection().Run(
      "SELECT id FROM evaluations WHERE id >= $1 AND id < $1 || 'g' "
      "ORDER BY id LIMIT 2",
      {std::string(id)});
  if (!rows.ok()) return rows.status();
  return OneId(id, FirstColumn(*rows));
}

absl::StatusOr<int64_t> PostgresEvaluationStore::Find(
    const std::string& id) const {
  const auto rows =
      connection().Run("SELECT seq FROM evaluations WHERE id = $1", {id});
  if (!rows.ok()) return rows.status();
  if (rows->size() == 0) return UnknownEvaluation(id);
  return rows->Int(0, 0);
}

absl::StatusOr<v1::Evaluation> PostgresEvaluationStore::Get(
    const std::string& id) const {
  MutexLock lock(shared_->mutex);
  const auto rows = connection().Run(
      absl::StrCat(kPostgresColumns, ", report FROM evaluations WHERE id = $1"),
      {id});
  if (!rows.ok()) return rows.status();
  if (rows->size() == 0) return UnknownEvaluation(id);
  absl::StatusOr<v1::Evaluation> evaluation = ReadEvaluation(*rows, 0);
  if (evaluation.ok() && !rows->IsNull(0, 10) &&
      !evaluation->mutable_report()->ParseFromString(rows->Text(0, 10))) {
    return absl::DataLossError(
        absl::StrCat("evaluation ", id, ": its report is damaged"));
  }
  return evaluation;
}

absl::StatusOr<EvaluationPage> PostgresEvaluationStore::List(
    int64_t page_size, const std::string& page_token,
    const std::string& model) const {
  // A page token is the row after which the page begins. Rows are numbered by
  // age, so pages stay right while evaluations are added.
  const absl::StatusOr<int64_t> before = ParseToken(page_token, INT64_MAX);
  if (!before.ok()) return before.status();
  MutexLock lock(shared_->mutex);
  // One more than asked for tells whether a page follows.
  const auto rows = connection().Run(
      absl::StrCat(kPostgresColumns,
                   " FROM evaluations WHERE seq < $1 AND "
                   "($2 = '' OR model = $2) ORDER BY seq DESC LIMIT $3"),
      {*before, model, page_size + 1});
  if (!rows.ok()) return rows.status();
  EvaluationPage page;
  for (int row = 0; row < rows->size(); ++row) {
    if (row == page_size) {
      page.next_page_token = absl::StrCat(rows->Int(row - 1, 9));
      break;
    }
    absl::StatusOr<v1::Evaluation> evaluation = ReadEvaluation(*rows, row);
    if (!evaluation.ok()) return evaluation.status();
    page.evaluations.push_back(*std::move(evaluation));
  }
  return page;
}

absl::Status PostgresEvaluationStore::Change(
    const std::string& id, const std::string& sql,
    const std::vector<SqlValue>& values) {
  MutexLock lock(shared_->mutex);
  const auto changed = connection().Run(sql, values);
  if (!changed.ok()) return changed.status();
  if (changed->changes() == 0) return UnknownEvaluation(id);
  // Other servers may be waiting for work or following the evaluation.
  return connection().Execute("NOTIFY adv");
}

absl::Status PostgresEvaluationStore::Update(const v1::Evaluation& evaluation) {
  using google::protobuf::util::TimeUtil;
  if (evaluation.state() == v1::EVALUATION_STATE_QUEUED) {
    // It begins again: whoever had tiles has them no more.
    MutexLock lock(shared_->mutex);
    const auto freed = connection().Run(
        "UPDATE tiles SET owner = NULL, lease_until = NULL, expired = 0 "
        "FROM evaluations WHERE id = $1 AND seq = evaluation AND NOT done",
        {evaluation.id()});
    if (!freed.ok()) return freed.status();
  }
  // What is absent becomes null: an evaluation that runs again has no end.
  return Change(
      evaluation.id(),
      "UPDATE evaluations SET state = $2, error = $3, finished_ms = $4, "
      "report = $5, cancel_on_disconnect = $6 WHERE id = $1",
      {evaluation.id(), static_cast<int64_t>(evaluation.state()),
       evaluation.error(),
       evaluation.has_finished_at()
           ? SqlValue(
                 TimeUtil::TimestampToMilliseconds(evaluation.finished_at()))
           : SqlValue::Null(),
       evaluation.has_report()
           ? SqlValue::Bytes(DeterministicBytes(evaluation.report()))
           : SqlValue::Null(),
       evaluation.cancel_on_disconnect() ? "true" : "false"});
}

absl::Status PostgresEvaluationStore::OutliveCallers(const std::string& id) {
  return Change(
      id, "UPDATE evaluations SET cancel_on_disconnect = false WHERE id = $1",
      {id});
}

absl::Status PostgresEvaluationStore::Write(
    const std::string& id, const std::vector<v1::EvaluationRecord>& records,
    Writing write, int64_t whole, const Effort& effort) {
  MutexLock lock(shared_->mutex);
  const absl::StatusOr<int64_t> seq = Find(id);
  if (!seq.ok()) return seq.status();
  return InTransaction(connection(), [&]() -> absl::Status {
    absl::Status status = write(connection(), *seq, records);
    if (!status.ok()) return status;
    return connection()
        .Run(
            "UPDATE evaluations SET samples_done = samples_done + $2, "
            "seconds = seconds + $3, queries = queries + $4 WHERE seq = $1",
            {*seq, whole, effort.seconds, effort.queries})
        .status();
  });
}

absl::Status PostgresEvaluationStore::Append(
    const std::string& id, const std::vector<v1::EvaluationRecord>& records,
    const Effort& effort) {
  return Write(id, records, &InsertRecords,
               static_cast<int64_t>(records.size()), effort);
}

absl::Status PostgresEvaluationStore::Keep(
    const std::string& id, const std::vector<v1::EvaluationRecord>& unfinished,
    const Effort& effort) {
  return Write(id, unfinished, &KeepUnfinished, 0, effort);
}

absl::StatusOr<RecordPage> PostgresEvaluationStore::Records(
    const std::string& id, int64_t page_size,
    const std::string& page_token) const {
  // A page token is the index of the page's first record.
  const absl::StatusOr<int64_t> from = ParseToken(page_token, 0);
  if (!from.ok()) return from.status();
  MutexLock lock(shared_->mutex);
  const absl::StatusOr<int64_t> seq = Find(id);
  if (!seq.ok()) return seq.status();
  const auto rows = connection().Run(
      "SELECT sample, bytes FROM records WHERE evaluation = $1 AND "
      "sample >= $2 ORDER BY sample LIMIT $3",
      {*seq, *from, page_size + 1});
  if (!rows.ok()) return rows.status();
  RecordPageMaker page(page_size);
  for (int row = 0; row < rows->size(); ++row) {
    const auto fits = page.Add(rows->Int(row, 0), rows->Text(row, 1));
    if (!fits.ok()) return fits.status();
    if (!*fits) break;
  }
  return page.Take();
}

absl::StatusOr<std::vector<std::string>> PostgresEvaluationStore::Bytes(
    const char* table, const std::string& id) const {
  MutexLock lock(shared_->mutex);
  const absl::StatusOr<int64_t> seq = Find(id);
  if (!seq.ok()) return seq.status();
  const auto rows =
      connection().Run(absl::StrCat("SELECT bytes FROM ", table,
                                    " WHERE evaluation = $1 ORDER BY sample"),
                       {*seq});
  if (!rows.ok()) return rows.status();
  return FirstColumn(*rows);
}

absl::StatusOr<std::vector<std::string>> PostgresEvaluationStore::RecordBytes(
    const std::string& id) const {
  return Bytes("records", id);
}

absl::StatusOr<std::vector<std::string>>
PostgresEvaluationStore::UnfinishedBytes(const std::string& id) const {
  return Bytes("unfinished", id);
}

absl::StatusOr<Effort> PostgresEvaluationStore::Spent(
    const std::string& id) const {
  MutexLock lock(shared_->mutex);
  const auto rows = connection().Run(
      "SELECT e.seconds + coalesce(sum(t.seconds), 0), "
      "e.queries + coalesce(sum(t.queries), 0)::bigint "
      "FROM evaluations e LEFT JOIN tiles t ON t.evaluation = e.seq "
      "WHERE e.id = $1 GROUP BY e.seq",
      {id});
  if (!rows.ok()) return rows.status();
  if (rows->size() == 0) return UnknownEvaluation(id);
  return Effort{rows->Real(0, 0), rows->Int(0, 1)};
}

absl::Status PostgresEvaluationStore::Delete(const std::string& id) {
  // Records and tiles go with it, by ON DELETE CASCADE.
  return Change(id, "DELETE FROM evaluations WHERE id = $1", {id});
}

absl::StatusOr<std::vector<v1::Evaluation>> PostgresEvaluationStore::Underway()
    const {
  MutexLock lock(shared_->mutex);
  // The states are in the SQL, so that their index is used.
  static_assert(v1::EVALUATION_STATE_QUEUED == 1 &&
                v1::EVALUATION_STATE_RUNNING == 2);
  const auto rows = connection().Run(
      absl::StrCat(kPostgresColumns,
                   " FROM evaluations WHERE state IN (1, 2) ORDER BY seq"));
  if (!rows.ok()) return rows.status();
  std::vector<v1::Evaluation> underway;
  for (int row = 0; row < rows->size(); ++row) {
    absl::StatusOr<v1::Evaluation> evaluation = ReadEvaluation(*rows, row);
    if (!evaluation.ok()) return evaluation.status();
    underway.push_back(*std::move(evaluation));
  }
  return underway;
}

absl::StatusOr<StoreSize> PostgresEvaluationStore::Size() const {
  MutexLock lock(shared_->mutex);
  const auto rows = connection().Run(
      "SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class "
      "WHERE relnamespace = 'adv'::regnamespace AND relkind = 'r'");
  if (!rows.ok()) return rows.status();
  return StoreSize{rows->Int(0, 0), 0};
}

}  // namespace

bool IsPostgresUrl(absl::string_view state) {
  return absl::StartsWith(state, "postgresql://") ||
         absl::StartsWith(state, "postgres://");
}

absl::StatusOr<std::unique_ptr<EvaluationStore>> OpenPostgresStore(
    const PostgresStoreOptions& options) {
  auto shared = std::make_shared<SharedConnection>();
  auto connection = PostgresConnection::Open(options.url, kPostgresSession);
  absl::Status status = connection.status();
  if (status.ok()) status = PreparePostgresSchema(**connection);
  if (!status.ok()) {
    return absl::Status(
        status.code(),
        absl::StrCat("evaluations in PostgreSQL: ", status.message()));
  }
  auto news = PostgresConnection::Open(
      options.url, absl::StrCat(kPostgresSession, "; LISTEN adv"));
  if (!news.ok()) return news.status();
  shared->connection = *std::move(connection);
  auto queue = std::make_unique<PostgresTileQueue>(
      shared, *std::move(news), options.owner, options.lease_seconds);
  return std::make_unique<PostgresEvaluationStore>(std::move(shared),
                                                   std::move(queue));
}

}  // namespace adv
