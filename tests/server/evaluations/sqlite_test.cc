#include "server/evaluations/sqlite.h"

#include <gtest/gtest.h>

namespace adv {
namespace {

class SqliteTest : public ::testing::Test {
 protected:
  SqliteTest() : database_(*Database::Open(":memory:")) {
    EXPECT_TRUE(database_->Execute("CREATE TABLE t (x)").ok());
  }
  absl::Status Insert() {
    return database_->Execute("INSERT INTO t VALUES (1)");
  }
  int64_t Rows() { return *database_->Query("SELECT count(*) FROM t"); }

  const std::unique_ptr<Database> database_;
};

TEST_F(SqliteTest, ATransactionIsAllOrNothing) {
  EXPECT_TRUE(InTransaction(*database_, [this] { return Insert(); }).ok());
  EXPECT_EQ(Rows(), 1);
  const absl::Status status = InTransaction(*database_, [this] {
    EXPECT_TRUE(Insert().ok());
    return absl::CancelledError("no");
  });
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
  EXPECT_EQ(Rows(), 1);
}

TEST_F(SqliteTest, WithoutATransactionNothingIsDone) {
  // One in another cannot be begun.
  const absl::Status outer = InTransaction(*database_, [this] {
    const absl::Status inner =
        InTransaction(*database_, [this] { return Insert(); });
    EXPECT_FALSE(inner.ok());
    EXPECT_EQ(Rows(), 0);
    return Insert();
  });
  EXPECT_TRUE(outer.ok()) << outer;
  EXPECT_EQ(Rows(), 1);
}

}  // namespace
}  // namespace adv
