#include "server/evaluations/sqlite_schema.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <iterator>
#include <string>

#include "server/evaluations/sqlite.h"

namespace adv {
namespace {

// seq gives the order of creation and the page tokens.
constexpr char kFirstSchema[] = R"(
CREATE TABLE evaluations (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  model TEXT NOT NULL,
  resolved BLOB NOT NULL,
  state INTEGER NOT NULL,
  error TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  finished_ms INTEGER,
  samples_done INTEGER NOT NULL,
  samples_total INTEGER NOT NULL,
  seconds REAL NOT NULL,
  report BLOB
);
CREATE TABLE records (
  evaluation INTEGER NOT NULL REFERENCES evaluations ON DELETE CASCADE,
  sample INTEGER NOT NULL,
  bytes BLOB NOT NULL,
  PRIMARY KEY (evaluation, sample)
) WITHOUT ROWID;
)";

// Step i leads from version i to i + 1. A step that was published never
// changes, so that every older file takes the same way.
constexpr const char* kSteps[] = {
    kFirstSchema,
    "ALTER TABLE evaluations ADD COLUMN queries INTEGER NOT NULL DEFAULT 0;",
    R"(
ALTER TABLE evaluations
  ADD COLUMN cancel_on_disconnect INTEGER NOT NULL DEFAULT 0;
CREATE TABLE unfinished (
  evaluation INTEGER NOT NULL REFERENCES evaluations ON DELETE CASCADE,
  sample INTEGER NOT NULL,
  bytes BLOB NOT NULL,
  PRIMARY KEY (evaluation, sample)
) WITHOUT ROWID;
)",
};
constexpr int64_t kVersion = std::size(kSteps);

absl::Status Upgrade(Database& database) {
  const absl::StatusOr<int64_t> version = database.Query("PRAGMA user_version");
  if (!version.ok()) return version.status();
  if (*version == kVersion) return absl::OkStatus();
  const absl::StatusOr<int64_t> tables =
      database.Query("SELECT count(*) FROM sqlite_master");
  if (!tables.ok()) return tables.status();
  // A new file has version 0 and no tables. Tables without a version are
  // another program's.
  const bool foreign = *version == 0 && *tables != 0;
  if (*version < 0 || *version > kVersion || foreign) {
    return absl::FailedPreconditionError(
        absl::StrCat("has schema version ", *version,
                     ", this server knows versions 1 to ", kVersion, " alone"));
  }
  std::string sql;
  for (int64_t i = *version; i < kVersion; ++i) sql += kSteps[i];
  // The version changes with the tables, so a kill leaves the file as it was.
  return InTransaction(database, [&] {
    return database.Execute(
        absl::StrCat(sql, "PRAGMA user_version = ", kVersion, ";"));
  });
}

}  // namespace

absl::Status PrepareSchema(Database& database, int64_t max_bytes) {
  // Exclusive: the lock is held until the file is closed, so a second server
  // fails at its start. It comes before WAL, which then needs no shared memory.
  // WAL with NORMAL survives a kill; a power cut may lose the last
  // transactions, each as a whole. Foreign keys are off by default, and records
  // are deleted by them.
  for (const char* pragma :
       {"PRAGMA locking_mode = EXCLUSIVE", "PRAGMA journal_mode = WAL",
        "PRAGMA synchronous = NORMAL", "PRAGMA foreign_keys = ON"}) {
    if (absl::Status status = database.Execute(pragma); !status.ok()) {
      return status;
    }
  }
  if (absl::Status status = Upgrade(database); !status.ok()) return status;
  if (max_bytes <= 0) return absl::OkStatus();
  // SQLite counts its limit in pages and does not keep it in the file.
  const absl::StatusOr<int64_t> page = database.Query("PRAGMA page_size");
  if (!page.ok()) return page.status();
  return database.Execute(absl::StrCat(
      "PRAGMA max_page_count = ", std::max<int64_t>(max_bytes / *page, 1)));
}

}  // namespace adv
