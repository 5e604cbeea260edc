#ifndef ADV_TESTS_SERVER_EVALUATIONS_TAMPER_H_
#define ADV_TESTS_SERVER_EVALUATIONS_TAMPER_H_

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <string>

namespace adv {

// Runs `sql` on a database file that no store has open.
inline void Tamper(const std::string& path, const std::string& sql) {
  sqlite3* handle = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &handle), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(handle, sql.c_str(), nullptr, nullptr, nullptr),
            SQLITE_OK);
  sqlite3_close(handle);
}

}  // namespace adv

#endif  // ADV_TESTS_SERVER_EVALUATIONS_TAMPER_H_
