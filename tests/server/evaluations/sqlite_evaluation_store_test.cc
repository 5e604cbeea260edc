#include "server/evaluations/sqlite_evaluation_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/server/evaluations/made_evaluations.h"
#include "tests/server/evaluations/tamper.h"
#include "tests/server/temporary_folder.h"

namespace adv {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

std::unique_ptr<EvaluationStore> OpenOrDie(SqliteStoreOptions options) {
  auto store = OpenSqliteStore(options);
  EXPECT_TRUE(store.ok()) << store.status();
  return *std::move(store);
}

TEST(SqliteEvaluationStoreTest, AFileKeepsEverythingAndTellsWhatIsUnderway) {
  const TemporaryFolder folder;
  const SqliteStoreOptions options{folder / "evaluations.db"};
  const std::string id = Id("abc");
  {
    const auto store = OpenOrDie(options);
    ASSERT_TRUE(store->Create(MakeEvaluation(id)).ok());
    ASSERT_TRUE(store->Append(id, MakeRecords({1, 2}), {1}).ok());
    v1::Evaluation done = MakeEvaluation(Id("d"));
    ASSERT_TRUE(store->Create(done).ok());
    done.set_state(v1::EVALUATION_STATE_SUCCEEDED);
    ASSERT_TRUE(store->Update(done).ok());
    v1::Evaluation running = MakeEvaluation(Id("e"));
    running.set_cancel_on_disconnect(true);
    ASSERT_TRUE(store->Create(running).ok());
    running.set_state(v1::EVALUATION_STATE_RUNNING);
    ASSERT_TRUE(store->Update(running).ok());
  }
  const auto store = OpenOrDie(options);
  EXPECT_THAT(Indices(*store, id), ElementsAre(1, 2));
  const auto underway = store->Underway();
  ASSERT_TRUE(underway.ok()) << underway.status();
  ASSERT_THAT(*underway, SizeIs(2));
  EXPECT_EQ(underway->at(0).id(), id);
  EXPECT_EQ(underway->at(0).samples_done(), 2);
  EXPECT_FALSE(underway->at(0).cancel_on_disconnect());
  EXPECT_EQ(underway->at(1).id(), Id("e"));
  EXPECT_TRUE(underway->at(1).cancel_on_disconnect());
}

TEST(SqliteEvaluationStoreTest, OneUserAtATime) {
  const TemporaryFolder folder;
  const SqliteStoreOptions options{folder / "evaluations.db"};
  const auto store = OpenOrDie(options);
  const absl::Status second = OpenSqliteStore(options).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(second)) << second;
  EXPECT_THAT(std::string(second.message()),
              AllOf(HasSubstr(options.path), HasSubstr("another process")));
}

TEST(SqliteEvaluationStoreTest, RefusesFilesOfOtherSchemas) {
  const TemporaryFolder folder;
  const SqliteStoreOptions options{folder / "evaluations.db"};
  OpenOrDie(options);
  Tamper(options.path, "PRAGMA user_version = 7");
  absl::Status status = OpenSqliteStore(options).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr(options.path), HasSubstr("schema version 7"),
                    HasSubstr("versions 1 to 3")));

  const SqliteStoreOptions foreign{folder / "foreign.db"};
  Tamper(foreign.path, "CREATE TABLE birds (name TEXT)");
  status = OpenSqliteStore(foreign).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
}

TEST(SqliteEvaluationStoreTest, BringsOlderFilesUpToDate) {
  const TemporaryFolder folder;
  const SqliteStoreOptions options{folder / "evaluations.db"};
  const std::string id = Id("abc");
  {
    const auto store = OpenOrDie(options);
    ASSERT_TRUE(store->Create(MakeEvaluation(id)).ok());
    ASSERT_TRUE(store->Append(id, MakeRecords({1, 2}), {1.5}).ok());
  }
  Tamper(options.path,
         "ALTER TABLE evaluations DROP COLUMN queries;"
         "ALTER TABLE evaluations DROP COLUMN cancel_on_disconnect;"
         "DROP TABLE unfinished;"
         "PRAGMA user_version = 1");
  const auto store = OpenOrDie(options);
  EXPECT_THAT(Indices(*store, id), ElementsAre(1, 2));
  ASSERT_TRUE(store->Append(id, MakeRecords({3}), {.5, 70}).ok());
  ASSERT_TRUE(store->Append(id, MakeRecords({4}), {.5, 7}).ok());
  EXPECT_EQ(store->Spent(id)->seconds, 2.5);
  EXPECT_EQ(store->Spent(id)->queries, 77);
}

TEST(SqliteEvaluationStoreTest, RefusesDamagedFilesAndMissingFolders) {
  const TemporaryFolder folder;
  const std::string path = folder / "evaluations.db";
  std::ofstream(path) << std::string(5000, 'x');
  absl::Status status = OpenSqliteStore({path}).status();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(path));
  status = OpenSqliteStore({folder / "none/evaluations.db"}).status();
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
}

TEST(SqliteEvaluationStoreTest, AFullDiskLosesNothing) {
  const TemporaryFolder folder;
  const std::string id = Id("abc");
  SqliteStoreOptions options{folder / "evaluations.db"};
  options.max_bytes = 256 << 10;
  int64_t stored = 0;
  {
    const auto store = OpenOrDie(options);
    ASSERT_TRUE(store->Create(MakeEvaluation(id)).ok());
    absl::Status status;
    while (status.ok()) {
      ASSERT_LT(stored, 1'000'000);
      status = store->Append(id, MakeRecords({stored, stored + 1}), {1});
      if (status.ok()) stored += 2;
    }
    EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("no room"));
    EXPECT_THAT(Indices(*store, id), SizeIs(stored));
    EXPECT_EQ(store->Size()->limit, options.max_bytes);
    EXPECT_LE(store->Size()->used, options.max_bytes);
    EXPECT_GT(store->Size()->used, options.max_bytes * 3 / 4);
  }
  EXPECT_LE(std::filesystem::file_size(options.path), options.max_bytes);
  // With room again it goes on.
  options.max_bytes = 0;
  const auto store = OpenOrDie(options);
  EXPECT_THAT(Indices(*store, id), SizeIs(stored));
  EXPECT_TRUE(store->Append(id, MakeRecords({stored}), {1}).ok());
  // What is deleted makes room, though the file stays as large.
  const int64_t full = store->Size()->used;
  ASSERT_TRUE(store->Delete(id).ok());
  EXPECT_LT(store->Size()->used, full / 2);
  EXPECT_EQ(store->Size()->limit, 0);
}

}  // namespace
}  // namespace adv
