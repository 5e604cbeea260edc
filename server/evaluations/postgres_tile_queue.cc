#include "server/evaluations/postgres_tile_queue.h"

#include <absl/strings/escaping.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <google/protobuf/util/time_util.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <random>
#include <utility>

#include "server/codec/deterministic_bytes.h"

namespace adv {
namespace {

// A server that dies takes all its tiles with it, the innocent ones, too.
constexpr int64_t kMostExpired = 10;
// Sent when the transaction commits.
constexpr char kNotify[] = "NOTIFY adv";

// Another one for each process of each host, also when numbers come again.
std::string MakeOwner() {
  std::array<char, 256> host{};
  gethostname(host.data(), host.size() - 1);
  return absl::StrCat(host.data(), ":", getpid(), ":", std::random_device()());
}

absl::Status NotOurs(const std::string& id, int64_t tile) {
  return absl::AbortedError(absl::StrCat("tile ", tile, " of evaluation \"", id,
                                         "\" is not this server's any more"));
}

// As PostgreSQL writes arrays.
SqlValue Array(const std::vector<int64_t>& numbers) {
  return SqlValue(absl::StrCat("{", absl::StrJoin(numbers, ","), "}"));
}

// The columns of rows, so that one statement writes them all.
struct RecordArrays {
  explicit RecordArrays(const std::vector<v1::EvaluationRecord>& records)
      : samples(SqlValue::Null()), bytes(SqlValue::Null()) {
    std::vector<int64_t> numbers;
    std::vector<std::string> elements;
    for (const v1::EvaluationRecord& record : records) {
      numbers.push_back(record.index());
      elements.push_back(absl::StrCat(
          R"("\\x)", absl::BytesToHexString(DeterministicBytes(record)), "\""));
    }
    samples = Array(numbers);
    bytes = SqlValue(absl::StrCat("{", absl::StrJoin(elements, ","), "}"));
  }

  SqlValue samples;
  SqlValue bytes;
};

}  // namespace

absl::Status InsertRecords(PostgresConnection& connection, int64_t evaluation,
                           const std::vector<v1::EvaluationRecord>& records) {
  const RecordArrays arrays(records);
  const auto inserted = connection.Run(
      "INSERT INTO records "
      "SELECT $1::bigint, unnest($2::bigint[]), unnest($3::bytea[])",
      {evaluation, arrays.samples, arrays.bytes});
  if (!inserted.ok()) return inserted.status();
  return connection
      .Run(
          "DELETE FROM unfinished WHERE evaluation = $1 AND "
          "sample = ANY($2::bigint[])",
          {evaluation, arrays.samples})
      .status();
}

absl::Status KeepUnfinished(
    PostgresConnection& connection, int64_t evaluation,
    const std::vector<v1::EvaluationRecord>& unfinished) {
  const RecordArrays arrays(unfinished);
  return connection
      .Run(
          "INSERT INTO unfinished "
          "SELECT $1::bigint, unnest($2::bigint[]), unnest($3::bytea[]) "
          "ON CONFLICT (evaluation, sample) "
          "DO UPDATE SET bytes = EXCLUDED.bytes",
          {evaluation, arrays.samples, arrays.bytes})
      .status();
}

PostgresTileQueue::PostgresTileQueue(std::shared_ptr<SharedConnection> shared,
                                     std::unique_ptr<PostgresConnection> news,
                                     std::string owner, double lease_seconds)
    : shared_(std::move(shared)),
      news_(std::move(news)),
      owner_(owner.empty() ? MakeOwner() : std::move(owner)),
      lease_seconds_(lease_seconds),
      wake_fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

PostgresTileQueue::~PostgresTileQueue() { close(wake_fd_); }

absl::StatusOr<int64_t> PostgresTileQueue::Enter(const std::string& id,
                                                 int64_t images) {
  MutexLock lock(shared_->mutex);
  PostgresConnection& connection = *shared_->connection;
  int64_t entered = images;
  absl::Status status = InTransaction(connection, [&]() -> absl::Status {
    // The row is locked until the end: of servers that enter the same
    // evaluation at once, one makes the tiles.
    const auto row = connection.Run(
        "SELECT seq, samples_total, tile_images FROM evaluations "
        "WHERE id = $1 FOR UPDATE",
        {id});
    if (!row.ok()) return row.status();
    if (row->size() == 0) return NotOurs(id, 0);
    if (!row->IsNull(0, 2)) {
      entered = row->Int(0, 2);
      return absl::OkStatus();
    }
    const int64_t tiles = (row->Int(0, 1) + images - 1) / images;
    const auto made = connection.Run(
        "INSERT INTO tiles (evaluation, number) "
        "SELECT $1::bigint, generate_series(0, $2::bigint)",
        {row->Int(0, 0), tiles});
    if (!made.ok()) return made.status();
    const auto set = connection.Run(
        "UPDATE evaluations SET tiles = $2, tile_images = $3 WHERE seq = $1",
        {row->Int(0, 0), tiles, images});
    return set.ok() ? connection.Execute(kNotify) : set.status();
  });
  if (!status.ok()) return status;
  return entered;
}

absl::StatusOr<std::optional<TakenTile>> PostgresTileQueue::Take(
    const std::string& id) {
  MutexLock lock(shared_->mutex);
  PostgresConnection& connection = *shared_->connection;
  std::optional<TakenTile> taken;
  absl::Status status = InTransaction(connection, [&]() -> absl::Status {
    // A row that another server is just taking is skipped, not waited for.
    const auto row = connection.Run(
        "UPDATE tiles SET owner = $2, "
        "  lease_until = now() + $3 * interval '1 second', "
        "  attempts = attempts + 1, "
        "  expired = expired + (owner IS NOT NULL)::integer "
        "WHERE (evaluation, number) = ("
        "  SELECT t.evaluation, t.number FROM evaluations e "
        "  JOIN tiles t ON t.evaluation = e.seq "
        "  WHERE e.id = $1 AND e.state IN (1, 2) AND NOT t.done "
        "  AND (t.owner IS NULL OR t.lease_until < now()) "
        "  AND (t.number < e.tiles OR NOT EXISTS ("
        "    SELECT FROM tiles o WHERE o.evaluation = e.seq "
        "    AND o.number < e.tiles AND NOT o.done)) "
        "  ORDER BY t.number LIMIT 1 FOR UPDATE OF t SKIP LOCKED) "
        "RETURNING number, attempts, expired, evaluation",
        {id, owner_, lease_seconds_});
    if (!row.ok()) return row.status();
    if (row->size() == 0) return absl::OkStatus();
    if (row->Int(0, 2) >= kMostExpired) {
      const auto failed = connection.Run(
          "UPDATE evaluations SET state = $2, error = $3, "
          "finished_ms = (extract(epoch from now()) * 1000)::bigint "
          "WHERE seq = $1",
          {row->Int(0, 3), int64_t{v1::EVALUATION_STATE_FAILED},
           absl::StrCat("tile ", row->Int(0, 0), " was taken ", row->Int(0, 2),
                        " times by servers that did not come back with it")});
      return failed.ok() ? connection.Execute(kNotify) : failed.status();
    }
    taken = TakenTile{row->Int(0, 0), row->Int(0, 1) > 1};
    return connection
        .Run("UPDATE evaluations SET state = $2 WHERE seq = $1 AND state = $3",
             {row->Int(0, 3), int64_t{v1::EVALUATION_STATE_RUNNING},
              int64_t{v1::EVALUATION_STATE_QUEUED}})
        .status();
  });
  if (!status.ok()) return status;
  return taken;
}

absl::Status PostgresTileQueue::Finish(
    const std::string& id, int64_t tile,
    const std::vector<v1::EvaluationRecord>& records, const Effort& effort) {
  MutexLock lock(shared_->mutex);
  PostgresConnection& connection = *shared_->connection;
  return InTransaction(connection, [&] {
    return FinishOwn(connection, id, tile, records, effort);
  });
}

absl::Status PostgresTileQueue::FinishOwn(
    PostgresConnection& connection, const std::string& id, int64_t tile,
    const std::vector<v1::EvaluationRecord>& records, const Effort& effort) {
  // Shared, so that tiles are finished at the same time, while an end waits
  // for them or they for it.
  const auto underway = connection.Run(
      "SELECT e.seq, t.done, t.owner IS NOT DISTINCT FROM $3 "
      "FROM evaluations e JOIN tiles t ON t.evaluation = e.seq "
      "WHERE e.id = $1 AND t.number = $2 AND e.state IN (1, 2) "
      "FOR SHARE OF e FOR UPDATE OF t",
      {id, tile, owner_});
  if (!underway.ok()) return underway.status();
  if (underway->size() == 0 || underway->Int(0, 2) == 0) {
    return NotOurs(id, tile);
  }
  // Done by this server: the answer to an earlier call was lost.
  if (underway->Int(0, 1) != 0) return absl::OkStatus();
  const int64_t evaluation = underway->Int(0, 0);
  absl::Status status = InsertRecords(connection, evaluation, records);
  if (!status.ok()) return status;
  const auto done = connection.Run(
      "UPDATE tiles SET done = true, samples = $3, seconds = $4, queries = $5 "
      "WHERE evaluation = $1 AND number = $2",
      {evaluation, tile, static_cast<int64_t>(records.size()), effort.seconds,
       effort.queries});
  return done.ok() ? connection.Execute(kNotify) : done.status();
}

absl::Status PostgresTileQueue::GiveBack(const std::string& id, int64_t tile) {
  MutexLock lock(shared_->mutex);
  PostgresConnection& connection = *shared_->connection;
  const auto given = connection.Run(
      "UPDATE tiles SET owner = NULL, lease_until = NULL "
      "FROM evaluations e WHERE e.id = $1 AND evaluation = e.seq AND "
      "number = $2 AND owner = $3 AND NOT done",
      {id, tile, owner_});
  return given.ok() ? connection.Execute(kNotify) : given.status();
}

absl::Status PostgresTileQueue::Renew() {
  MutexLock lock(shared_->mutex);
  return shared_->connection
      ->Run(
          "UPDATE tiles SET lease_until = now() + $2 * interval '1 second' "
          "WHERE owner = $1 AND NOT done",
          {owner_, lease_seconds_})
      .status();
}

absl::StatusOr<bool> PostgresTileQueue::End(const v1::Evaluation& evaluation) {
  using google::protobuf::util::TimeUtil;
  MutexLock lock(shared_->mutex);
  PostgresConnection& connection = *shared_->connection;
  const auto ended = connection.Run(
      "UPDATE evaluations SET state = $2, error = $3, finished_ms = $4, "
      "report = $5 WHERE id = $1 AND state IN (1, 2)",
      {evaluation.id(), static_cast<int64_t>(evaluation.state()),
       evaluation.error(),
       TimeUtil::TimestampToMilliseconds(evaluation.finished_at()),
       evaluation.has_report()
           ? SqlValue::Bytes(DeterministicBytes(evaluation.report()))
           : SqlValue::Null()});
  if (!ended.ok()) return ended.status();
  if (absl::Status status = connection.Execute(kNotify); !status.ok()) {
    return status;
  }
  return ended->changes() > 0;
}

absl::StatusOr<std::vector<int64_t>> PostgresTileQueue::Done(
    const std::string& id) {
  MutexLock lock(shared_->mutex);
  const auto rows = shared_->connection->Run(
      "SELECT number FROM tiles JOIN evaluations ON seq = evaluation "
      "WHERE id = $1 AND done ORDER BY number",
      {id});
  if (!rows.ok()) return rows.status();
  std::vector<int64_t> numbers;
  numbers.reserve(rows->size());
  for (int row = 0; row < rows->size(); ++row) {
    numbers.push_back(rows->Int(row, 0));
  }
  return numbers;
}

absl::StatusOr<QueueLength> PostgresTileQueue::Length() {
  MutexLock lock(shared_->mutex);
  const auto row = shared_->connection->Run(
      "SELECT count(*) FILTER (WHERE t.owner IS NULL OR t.lease_until < now()),"
      "  count(*) FILTER (WHERE t.lease_until >= now()) "
      "FROM evaluations e JOIN tiles t ON t.evaluation = e.seq "
      "WHERE e.state IN (1, 2) AND NOT t.done AND t.number < e.tiles");
  if (!row.ok()) return row.status();
  return QueueLength{row->Int(0, 0), row->Int(0, 1)};
}

absl::StatusOr<std::vector<std::string>> PostgresTileQueue::RecordsOf(
    const std::string& id, const std::vector<int64_t>& samples) {
  MutexLock lock(shared_->mutex);
  const auto rows = shared_->connection->Run(
      "SELECT bytes FROM records JOIN evaluations ON seq = evaluation "
      "WHERE id = $1 AND sample = ANY($2::bigint[]) ORDER BY sample",
      {id, Array(samples)});
  if (!rows.ok()) return rows.status();
  std::vector<std::string> bytes;
  bytes.reserve(rows->size());
  for (int row = 0; row < rows->size(); ++row) {
    bytes.push_back(rows->Text(row, 0));
  }
  return bytes;
}

absl::Status PostgresTileQueue::AwaitNews(int milliseconds) {
  absl::Status status = news_->AwaitNotification(wake_fd_, milliseconds);
  uint64_t wakes = 0;
  // Empties the counter; nothing to read is as good.
  [[maybe_unused]] const ssize_t size = read(wake_fd_, &wakes, sizeof wakes);
  return status;
}

void PostgresTileQueue::Wake() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t size = write(wake_fd_, &one, sizeof one);
}

}  // namespace adv
