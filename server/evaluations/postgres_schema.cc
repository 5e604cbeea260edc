#include "server/evaluations/postgres_schema.h"

#include <absl/strings/str_cat.h>

#include <cstdint>
#include <iterator>
#include <string>

namespace adv {
namespace {

// seq gives the order of creation and the page tokens. What a tile cost is in
// its own row: servers that finish tiles of one evaluation do not wait for each
// other. `tiles` and `tile_images` are null until it has tiles.
constexpr char kPostgresFirstSchema[] = R"(
CREATE TABLE evaluations (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id text COLLATE "C" NOT NULL UNIQUE,
  model text NOT NULL,
  resolved bytea NOT NULL,
  state integer NOT NULL,
  error text NOT NULL,
  created_ms bigint NOT NULL,
  finished_ms bigint,
  samples_done bigint NOT NULL,
  samples_total bigint NOT NULL,
  seconds double precision NOT NULL,
  queries bigint NOT NULL,
  cancel_on_disconnect boolean NOT NULL,
  report bytea,
  tiles bigint,
  tile_images bigint
);
CREATE INDEX evaluations_underway ON evaluations (seq) WHERE state IN (1, 2);
CREATE TABLE records (
  evaluation bigint NOT NULL REFERENCES evaluations ON DELETE CASCADE,
  sample bigint NOT NULL,
  bytes bytea NOT NULL,
  PRIMARY KEY (evaluation, sample)
);
CREATE TABLE unfinished (
  evaluation bigint NOT NULL REFERENCES evaluations ON DELETE CASCADE,
  sample bigint NOT NULL,
  bytes bytea NOT NULL,
  PRIMARY KEY (evaluation, sample)
);
CREATE TABLE tiles (
  evaluation bigint NOT NULL REFERENCES evaluations ON DELETE CASCADE,
  number bigint NOT NULL,
  done boolean NOT NULL DEFAULT false,
  owner text,
  lease_until timestamptz,
  attempts integer NOT NULL DEFAULT 0,
  expired integer NOT NULL DEFAULT 0,
  samples bigint NOT NULL DEFAULT 0,
  seconds double precision NOT NULL DEFAULT 0,
  queries bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (evaluation, number)
);
CREATE INDEX tiles_open ON tiles (evaluation, number) WHERE NOT done;
)";

// Step i leads from version i to i + 1. A step that was published never
// changes.
constexpr const char* kPostgresSteps[] = {kPostgresFirstSchema};
constexpr int64_t kPostgresVersion = std::size(kPostgresSteps);

absl::Status UpgradePostgres(PostgresConnection& connection) {
  // Servers that start together upgrade one after the other; the lock ends with
  // the transaction. Its number is "adv" in ASCII.
  absl::Status status = connection.Execute(
      "SELECT pg_advisory_xact_lock(6382710);"
      "CREATE SCHEMA IF NOT EXISTS adv;"
      "CREATE TABLE IF NOT EXISTS schema_version (version bigint NOT NULL)");
  if (!status.ok()) return status;
  const auto rows = connection.Run("SELECT version FROM schema_version");
  if (!rows.ok()) return rows.status();
  const int64_t version = rows->size() == 0 ? 0 : rows->Int(0, 0);
  if (version < 0 || version > kPostgresVersion) {
    return absl::FailedPreconditionError(absl::StrCat(
        "has schema version ", version, ", this server knows versions 1 to ",
        kPostgresVersion, " alone"));
  }
  if (version == kPostgresVersion) return absl::OkStatus();
  std::string sql;
  for (int64_t i = version; i < kPostgresVersion; ++i) sql += kPostgresSteps[i];
  return connection.Execute(absl::StrCat(sql, "DELETE FROM schema_version;",
                                         "INSERT INTO schema_version VALUES (",
                                         kPostgresVersion, ");"));
}

}  // namespace

absl::Status PreparePostgresSchema(PostgresConnection& connection) {
  return InTransaction(connection, [&] { return UpgradePostgres(connection); });
}

}  // namespace adv
