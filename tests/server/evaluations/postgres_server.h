#ifndef ADV_TESTS_SERVER_EVALUATIONS_POSTGRES_SERVER_H_
#define ADV_TESTS_SERVER_EVALUATIONS_POSTGRES_SERVER_H_

#include <string>

namespace adv {

// A real PostgreSQL on a socket in a temporary folder, for all tests of one
// program; it ends with the program.
class PostgresServer {
 public:
  // The URL of a new, empty database. Starts the server the first time.
  static std::string NewDatabase();

 private:
  PostgresServer();
  ~PostgresServer();

  std::string folder_;
  std::string programs_;  // the folder of initdb and pg_ctl
  int databases_ = 0;
};

}  // namespace adv

#endif  // ADV_TESTS_SERVER_EVALUATIONS_POSTGRES_SERVER_H_
