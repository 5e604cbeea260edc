#ifndef ADV_SERVER_EVALUATIONS_SQLITE_H_
#define ADV_SERVER_EVALUATIONS_SQLITE_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

struct sqlite3;
struct sqlite3_stmt;

namespace adv {

// The little of SQLite that the evaluation store needs. Errors:
// RESOURCE_EXHAUSTED for a full disk, FAILED_PRECONDITION for a file in use or
// on a read-only file system, PERMISSION_DENIED for one that must not be
// written, NOT_FOUND for one that cannot be opened, DATA_LOSS for a damaged
// one, INTERNAL for the rest.
//
// Not thread-safe: one thread at a time, for the statements too.
class Database {
 public:
  static absl::StatusOr<std::unique_ptr<Database>> Open(
      const std::string& path);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // Any number of statements; rows are dropped.
  absl::Status Execute(const std::string& sql);
  // The first column of the first row.
  absl::StatusOr<int64_t> Query(const std::string& sql);
  // Rows that the last INSERT, UPDATE or DELETE changed.
  int64_t changes() const;

 private:
  friend class Statement;
  explicit Database(sqlite3* handle) : handle_(handle) {}

  sqlite3* const handle_;
};

// One statement; Bind fills its parameters from left to right.
class Statement {
 public:
  Statement(Database& database, const std::string& sql);
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  void Bind(int64_t value);
  void Bind(double value);
  void Bind(const std::string& text);
  void BindBytes(const std::string& bytes);
  void BindNull();

  // Whether there is a (further) row. False at the end and on an error, which
  // status() tells.
  bool Step();
  const absl::Status& status() const { return status_; }
  // Runs to the end and makes ready for the next values.
  absl::Status Run();

  // Columns of the row, from 0. Text is for blobs too.
  int64_t Int(int column) const;
  double Real(int column) const;
  std::string Text(int column) const;
  bool IsNull(int column) const;

 private:
  void Check(int code);

  Database& database_;
  sqlite3_stmt* statement_ = nullptr;
  int bound_ = 0;
  absl::Status status_;
};

// All of `work` or nothing: commits if it returns OK, otherwise rolls back and
// returns its error. Does not begin it, and says why, if no transaction can be
// begun.
absl::Status InTransaction(Database& database,
                           const std::function<absl::Status()>& work);

}  // namespace adv

#endif  // ADV_SERVER_EVALUATIONS_SQLITE_H_
