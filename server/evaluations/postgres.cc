#include "server/evaluations/postgres.h"

#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <libpq-fe.h>
#include <poll.h>

#include <array>
#include <cstring>
#include <utility>

namespace adv {
namespace {

// PostgreSQL sends integers and reals with the highest byte first.
uint64_t BigEndian(const char* bytes, int length) {
  uint64_t value = 0;
  for (int i = 0; i < length; ++i) {
    value = value << 8 | static_cast<unsigned char>(bytes[i]);
  }
  return value;
}

std::string Message(const pg_conn* connection) {
  return std::string(absl::StripAsciiWhitespace(PQerrorMessage(connection)));
}

absl::StatusCode CodeOf(absl::string_view state) {
  if (state == "23505") return absl::StatusCode::kAlreadyExists;
  if (state == "42501") return absl::StatusCode::kPermissionDenied;
  // Deadlocks and the like: the same again may succeed.
  if (absl::StartsWith(state, "40")) return absl::StatusCode::kUnavailable;
  // Connections, and a server that ends or starts.
  if (absl::StartsWith(state, "08") || absl::StartsWith(state, "57P")) {
    return absl::StatusCode::kUnavailable;
  }
  if (absl::StartsWith(state, "53")) {
    return absl::StatusCode::kResourceExhausted;
  }
  return absl::StatusCode::kInternal;
}

}  // namespace

SqlValue::SqlValue(int64_t value) : data_(absl::StrCat(value)) {}

// 17 digits give each double back as it was.
SqlValue::SqlValue(double value) : data_(absl::StrFormat("%.17g", value)) {}

SqlValue SqlValue::Bytes(std::string bytes) {
  SqlValue value;
  value.data_ = std::move(bytes);
  value.is_binary_ = true;
  return value;
}

SqlValue SqlValue::Null() {
  SqlValue value;
  value.is_null_ = true;
  return value;
}

SqlRows::SqlRows(pg_result* result) : result_(result, PQclear) {}

int SqlRows::size() const { return PQntuples(result_.get()); }

int64_t SqlRows::changes() const {
  return std::strtoll(PQcmdTuples(result_.get()), nullptr, 10);
}

bool SqlRows::IsNull(int row, int column) const {
  return PQgetisnull(result_.get(), row, column) != 0;
}

int64_t SqlRows::Int(int row, int column) const {
  const int length = PQgetlength(result_.get(), row, column);
  const uint64_t value =
      BigEndian(PQgetvalue(result_.get(), row, column), length);
  // The sign of a shorter integer is its highest bit.
  const int unused = 64 - 8 * length;
  return length == 0 || length == 1
             ? static_cast<int64_t>(value)
             : static_cast<int64_t>(value << unused) >> unused;
}

double SqlRows::Real(int row, int column) const {
  const uint64_t bits =
      BigEndian(PQgetvalue(result_.get(), row, column), sizeof(double));
  double value = 0;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

std::string SqlRows::Text(int row, int column) const {
  return std::string(PQgetvalue(result_.get(), row, column),
                     PQgetlength(result_.get(), row, column));
}

absl::StatusOr<std::unique_ptr<PostgresConnection>> PostgresConnection::Open(
    const std::string& url, const std::string& session) {
  // What comes before the URL is a default that the URL may change. A peer that
  // is gone without a word is noticed after 10 s.
  const std::array<const char*, 5> names = {
      "connect_timeout", "tcp_user_timeout", "fallback_application_name",
      "dbname", nullptr};
  const std::array<const char*, 5> values = {"5", "10000", "advserver",
                                             url.c_str(), nullptr};
  std::unique_ptr<PostgresConnection> connection(new PostgresConnection(
      PQconnectdbParams(names.data(), values.data(), /*expand_dbname=*/1),
      session));
  absl::Status status = connection->BeginSession();
  if (!status.ok()) return status;
  return connection;
}

PostgresConnection::PostgresConnection(pg_conn* connection, std::string session)
    : connection_(connection), session_(std::move(session)) {
  // Notices would go to standard error.
  PQsetNoticeProcessor(
      connection_, [](void*, const char*) {}, nullptr);
}

PostgresConnection::~PostgresConnection() { PQfinish(connection_); }

absl::Status PostgresConnection::BeginSession() {
  if (PQstatus(connection_) != CONNECTION_OK) {
    return absl::UnavailableError(Message(connection_));
  }
  in_session_ = true;
  absl::Status status = Execute(session_);
  in_session_ = status.ok();
  return status;
}

absl::Status PostgresConnection::Restore() {
  if (PQstatus(connection_) == CONNECTION_OK && in_session_) {
    return absl::OkStatus();
  }
  PQreset(connection_);
  return BeginSession();
}

absl::Status PostgresConnection::ErrorOf(const pg_result* result) const {
  const char* const state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  if (PQstatus(connection_) != CONNECTION_OK || state == nullptr) {
    return absl::UnavailableError(Message(connection_));
  }
  return absl::Status(CodeOf(state), Message(connection_));
}

absl::Status PostgresConnection::Execute(const std::string& sql) {
  if (absl::Status status = Restore(); !status.ok()) return status;
  const std::unique_ptr<pg_result, void (*)(pg_result*)> result(
      PQexec(connection_, sql.c_str()), PQclear);
  const ExecStatusType state = PQresultStatus(result.get());
  if (state == PGRES_COMMAND_OK || state == PGRES_TUPLES_OK ||
      state == PGRES_EMPTY_QUERY) {
    return absl::OkStatus();
  }
  return ErrorOf(result.get());
}

absl::StatusOr<SqlRows> PostgresConnection::Run(
    const std::string& sql, const std::vector<SqlValue>& values) {
  if (absl::Status status = Restore(); !status.ok()) return status;
  std::vector<const char*> data;
  std::vector<int> lengths;
  std::vector<int> formats;
  for (const SqlValue& value : values) {
    data.push_back(value.is_null_ ? nullptr : value.data_.c_str());
    lengths.push_back(static_cast<int>(value.data_.size()));
    formats.push_back(value.is_binary_ ? 1 : 0);
  }
  SqlRows rows(PQexecParams(connection_, sql.c_str(),
                            static_cast<int>(values.size()), nullptr,
                            data.data(), lengths.data(), formats.data(),
                            /*resultFormat=*/1));
  const ExecStatusType state = PQresultStatus(rows.result());
  if (state == PGRES_COMMAND_OK || state == PGRES_TUPLES_OK) return rows;
  return ErrorOf(rows.result());
}

absl::Status PostgresConnection::AwaitNotification(int wake_fd,
                                                   int milliseconds) {
  if (absl::Status status = Restore(); !status.ok()) return status;
  std::array<pollfd, 2> waiting = {pollfd{PQsocket(connection_), POLLIN, 0},
                                   pollfd{wake_fd, POLLIN, 0}};
  if (poll(waiting.data(), waiting.size(), milliseconds) < 0) {
    return absl::OkStatus();  // a signal: as if something had come
  }
  if (PQconsumeInput(connection_) == 0) {
    return absl::UnavailableError(Message(connection_));
  }
  while (PGnotify* const notification = PQnotifies(connection_)) {
    PQfreemem(notification);
  }
  return absl::OkStatus();
}

absl::Status InTransaction(PostgresConnection& connection,
                           const std::function<absl::Status()>& work) {
  absl::Status status = connection.Execute("BEGIN");
  if (!status.ok()) return status;
  status = work();
  if (status.ok()) return connection.Execute("COMMIT");
  connection.Execute("ROLLBACK").IgnoreError();
  return status;
}

}  // namespace adv
