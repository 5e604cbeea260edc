#include "server/evaluations/sqlite.h"

#include <absl/memory/memory.h>
#include <absl/strings/str_cat.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "server/wire/errors.h"

namespace adv {
namespace {

// The status for a code of SQLite. Without a handle the message says less.
absl::Status FromSqlite(int code, sqlite3* handle) {
  const std::string message =
      handle != nullptr ? sqlite3_errmsg(handle) : sqlite3_errstr(code);
  // Extended codes have the plain one in their lowest byte.
  int primary = code & 0xff;
  // SQLite reports a used-up quota as an I/O error. The system's error tells
  // which it is.
  const int cause = handle != nullptr ? sqlite3_system_errno(handle) : 0;
  if (primary == SQLITE_IOERR &&
      (cause == ENOSPC || cause == EDQUOT || cause == EFBIG)) {
    primary = SQLITE_FULL;
  }
  switch (primary) {
    case SQLITE_FULL:
      return absl::ResourceExhaustedError(
          absl::StrCat("no room on the disk, or the limit of the evaluation "
                       "store's size is reached: ",
                       message));
    case SQLITE_NOMEM:
      return Error(Reason::kOutOfMemory, message);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return absl::FailedPreconditionError(
          absl::StrCat("in use by another process: ", message));
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return absl::PermissionDeniedError(message);
    case SQLITE_CANTOPEN:
      return absl::NotFoundError(absl::StrCat("cannot be opened: ", message));
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::DataLossError(message);
    default:
      return absl::InternalError(message);
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Database>> Database::Open(
    const std::string& path) {
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(
      path.c_str(), &handle,
      // NOMUTEX: the store's lock already keeps threads apart.
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
      nullptr);
  if (code != SQLITE_OK) {
    absl::Status status = FromSqlite(code, handle);
    // SQLite does not say why it cannot make a file.
    const std::filesystem::path folder =
        std::filesystem::absolute(path).parent_path();
    if (access(folder.c_str(), W_OK) != 0) {
      status = absl::ErrnoToStatus(errno, "the folder cannot be written");
    }
    // SQLite gives a handle even if it cannot open: it holds the message.
    sqlite3_close(handle);
    return status;
  }
  auto database = absl::WrapUnique(new Database(handle));
  // SQLite falls back to reading where it may not write: the first evaluation
  // would fail instead of the start.
  if (sqlite3_db_readonly(handle, "main") == 1) {
    return absl::PermissionDeniedError("may be read but not written");
  }
  return database;
}

Database::~Database() { sqlite3_close(handle_); }

absl::Status Database::Execute(const std::string& sql) {
  const int code =
      sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : FromSqlite(code, handle_);
}

absl::StatusOr<int64_t> Database::Query(const std::string& sql) {
  Statement statement(*this, sql);
  if (statement.Step()) return statement.Int(0);
  if (!statement.status().ok()) return statement.status();
  return absl::InternalError(absl::StrCat("no row: ", sql));
}

int64_t Database::changes() const { return sqlite3_changes(handle_); }

Statement::Statement(Database& database, const std::string& sql)
    : database_(database) {
  Check(sqlite3_prepare_v2(database_.handle_, sql.c_str(), -1, &statement_,
                           nullptr));
}

Statement::~Statement() { sqlite3_finalize(statement_); }

// Keeps the first error; later calls do nothing.
void Statement::Check(int code) {
  if (status_.ok() && code != SQLITE_OK) {
    status_ = FromSqlite(code, database_.handle_);
  }
}

void Statement::Bind(int64_t value) {
  // SQLite counts parameters from 1.
  if (status_.ok()) Check(sqlite3_bind_int64(statement_, ++bound_, value));
}

void Statement::Bind(double value) {
  if (status_.ok()) Check(sqlite3_bind_double(statement_, ++bound_, value));
}

void Statement::Bind(const std::string& text) {
  if (status_.ok()) {
    // TRANSIENT: SQLite copies the bytes, which may be gone before the
    // statement runs.
    Check(sqlite3_bind_text64(statement_, ++bound_, text.data(), text.size(),
                              SQLITE_TRANSIENT, SQLITE_UTF8));
  }
}

void Statement::BindBytes(const std::string& bytes) {
  if (status_.ok()) {
    Check(sqlite3_bind_blob64(statement_, ++bound_, bytes.data(), bytes.size(),
                              SQLITE_TRANSIENT));
  }
}

void Statement::BindNull() {
  if (status_.ok()) Check(sqlite3_bind_null(statement_, ++bound_));
}

bool Statement::Step() {
  if (!status_.ok()) return false;
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) Check(code);
  return false;
}

absl::Status Statement::Run() {
  while (Step()) {
  }
  // The statement takes new values only after a reset.
  if (status_.ok()) Check(sqlite3_reset(statement_));
  bound_ = 0;
  return status_;
}

int64_t Statement::Int(int column) const {
  return sqlite3_column_int64(statement_, column);
}

double Statement::Real(int column) const {
  return sqlite3_column_double(statement_, column);
}

std::string Statement::Text(int column) const {
  // The pointer comes first: asking for it may change the size.
  const void* bytes = sqlite3_column_blob(statement_, column);
  const int size = sqlite3_column_bytes(statement_, column);
  return size == 0 ? std::string()
                   : std::string(static_cast<const char*>(bytes), size);
}

bool Statement::IsNull(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

absl::Status InTransaction(Database& database,
                           const std::function<absl::Status()>& work) {
  // IMMEDIATE takes the lock to write now, so that `work` cannot fail for it.
  absl::Status status = database.Execute("BEGIN IMMEDIATE");
  if (!status.ok()) return status;
  status = work();
  if (status.ok()) status = database.Execute("COMMIT");
  // A full disk may have rolled back already; then this does nothing.
  if (!status.ok()) database.Execute("ROLLBACK").IgnoreError();
  return status;
}

}  // namespace adv
