#include "server/evaluations/sqlite_records.h"

#include <absl/strings/str_cat.h>

#include "server/codec/deterministic_bytes.h"
#include "server/evaluations/store_rules.h"

namespace adv {
namespace {

// Of the table `records` or `unfinished`, in index order.
absl::StatusOr<std::vector<std::string>> ReadBytes(Database& database,
                                                   absl::string_view table,
                                                   int64_t evaluation) {
  Statement select(database, absl::StrCat("SELECT bytes FROM ", table,
                                          " WHERE evaluation = ? "
                                          "ORDER BY sample"));
  select.Bind(evaluation);
  std::vector<std::string> bytes;
  while (select.Step()) bytes.push_back(select.Text(0));
  if (!select.status().ok()) return select.status();
  return bytes;
}

}  // namespace

absl::Status InsertRecords(Database& database, int64_t evaluation,
                           const std::vector<v1::EvaluationRecord>& records) {
  // A second record of one sample breaks the primary key, and the tile fails.
  Statement insert(database, "INSERT INTO records VALUES (?, ?, ?)");
  Statement forget(database,
                   "DELETE FROM unfinished WHERE evaluation = ? AND sample = "
                   "?");
  for (const v1::EvaluationRecord& record : records) {
    insert.Bind(evaluation);
    insert.Bind(record.index());
    insert.BindBytes(DeterministicBytes(record));
    if (absl::Status status = insert.Run(); !status.ok()) return status;
    forget.Bind(evaluation);
    forget.Bind(record.index());
    if (absl::Status status = forget.Run(); !status.ok()) return status;
  }
  Statement update(database,
                   "UPDATE evaluations SET samples_done = samples_done + ? "
                   "WHERE seq = ?");
  update.Bind(static_cast<int64_t>(records.size()));
  update.Bind(evaluation);
  return update.Run();
}

absl::Status KeepUnfinished(
    Database& database, int64_t evaluation,
    const std::vector<v1::EvaluationRecord>& unfinished) {
  Statement keep(database,
                 "INSERT OR REPLACE INTO unfinished VALUES (?, ?, ?)");
  for (const v1::EvaluationRecord& record : unfinished) {
    keep.Bind(evaluation);
    keep.Bind(record.index());
    keep.BindBytes(DeterministicBytes(record));
    if (absl::Status status = keep.Run(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status AddEffort(Database& database, int64_t evaluation,
                       const Effort& effort) {
  Statement update(database,
                   "UPDATE evaluations SET seconds = seconds + ?, "
                   "queries = queries + ? WHERE seq = ?");
  update.Bind(effort.seconds);
  update.Bind(effort.queries);
  update.Bind(evaluation);
  return update.Run();
}

absl::StatusOr<RecordPage> ReadRecordPage(Database& database,
                                          int64_t evaluation, int64_t from,
                                          int64_t page_size) {
  Statement select(database,
                   "SELECT sample, bytes FROM records WHERE evaluation = ? "
                   "AND sample >= ? ORDER BY sample LIMIT ?");
  select.Bind(evaluation);
  select.Bind(from);
  // One more than asked for tells whether a page follows.
  select.Bind(page_size + 1);
  RecordPageMaker page(page_size);
  while (select.Step()) {
    const auto fits = page.Add(select.Int(0), select.Text(1));
    if (!fits.ok()) return fits.status();
    if (!*fits) break;
  }
  if (!select.status().ok()) return select.status();
  return page.Take();
}

absl::StatusOr<std::vector<std::string>> ReadRecordBytes(Database& database,
                                                         int64_t evaluation) {
  return ReadBytes(database, "records", evaluation);
}

absl::StatusOr<std::vector<std::string>> ReadUnfinishedBytes(
    Database& database, int64_t evaluation) {
  return ReadBytes(database, "unfinished", evaluation);
}

}  // namespace adv
