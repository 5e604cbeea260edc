#ifndef ADV_SERVER_EVALUATIONS_POSTGRES_H_
#define ADV_SERVER_EVALUATIONS_POSTGRES_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

struct pg_conn;
struct pg_result;

namespace adv {

// A parameter of a statement.
class SqlValue {
 public:
  // NOLINTBEGIN(google-explicit-constructor): lists of parameters are plain
  SqlValue(int64_t value);
  SqlValue(double value);
  SqlValue(const std::string& text) : data_(text) {}
  SqlValue(const char* text) : data_(text) {}
  // NOLINTEND(google-explicit-constructor)
  static SqlValue Bytes(std::string bytes);
  static SqlValue Null();

 private:
  friend class PostgresConnection;
  SqlValue() = default;

  std::string data_;
  bool is_binary_ = false;
  bool is_null_ = false;
};

// What a statement returned; rows and columns count from 0. The type asked for
// must be the column's: smallint, integer, bigint and boolean are Int.
class SqlRows {
 public:
  explicit SqlRows(pg_result* result);

  int size() const;
  // Rows that an INSERT, UPDATE or DELETE changed.
  int64_t changes() const;

  bool IsNull(int row, int column) const;
  int64_t Int(int row, int column) const;
  double Real(int row, int column) const;
  std::string Text(int row, int column) const;  // for bytea, too

 private:
  friend class PostgresConnection;
  const pg_result* result() const { return result_.get(); }

  std::shared_ptr<pg_result> result_;
};

// The little of libpq that the evaluation store needs. Errors: UNAVAILABLE for
// a database that cannot be reached (what was under way may have happened or
// not; the next call connects again), ALREADY_EXISTS for a second row of one
// key, RESOURCE_EXHAUSTED for a full disk, PERMISSION_DENIED for what the user
// may not do, INTERNAL for the rest. No message holds a password.
//
// Not thread-safe.
class PostgresConnection {
 public:
  // `url` is what libpq takes: postgresql://USER@HOST:PORT/DATABASE, with
  // further settings after "?". `session` is run after each connect.
  static absl::StatusOr<std::unique_ptr<PostgresConnection>> Open(
      const std::string& url, const std::string& session);
  ~PostgresConnection();
  PostgresConnection(const PostgresConnection&) = delete;
  PostgresConnection& operator=(const PostgresConnection&) = delete;

  // Any number of statements; rows are dropped.
  absl::Status Execute(const std::string& sql);
  // One statement with parameters $1, $2, ...
  absl::StatusOr<SqlRows> Run(const std::string& sql,
                              const std::vector<SqlValue>& values = {});

  // Waits until a notification comes (of a channel that `session` listens to)
  // or `wake_fd` can be read, for at most `milliseconds`. Forgets what came.
  absl::Status AwaitNotification(int wake_fd, int milliseconds);

 private:
  PostgresConnection(pg_conn* connection, std::string session);
  // Connects again if the connection is broken.
  absl::Status Restore();
  absl::Status BeginSession();
  absl::Status ErrorOf(const pg_result* result) const;

  pg_conn* const connection_;
  const std::string session_;
  bool in_session_ = false;
};

// All of `work` or nothing: commits if it returns OK, otherwise rolls back and
// returns its error.
absl::Status InTransaction(PostgresConnection& connection,
                           const std::function<absl::Status()>& work);

}  // namespace adv

#endif  // ADV_SERVER_EVALUATIONS_POSTGRES_H_
