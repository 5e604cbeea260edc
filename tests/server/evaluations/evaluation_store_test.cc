#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "server/codec/deterministic_bytes.h"
#include "server/evaluations/sqlite_evaluation_store.h"
#include "tests/server/evaluations/tamper.h"
#include "tests/server/temporary_folder.h"

namespace adv {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// An id that begins with `prefix`.
std::string Id(const std::string& prefix) {
  return prefix + std::string(64 - prefix.size(), '0');
}

v1::Evaluation MakeEvaluation(const std::string& id,
                              const std::string& model = "no-cat") {
  v1::Evaluation evaluation;
  evaluation.set_id(id);
  evaluation.mutable_resolved()->mutable_model()->set_name(model);
  evaluation.mutable_resolved()->set_samples(100);
  evaluation.set_state(v1::EVALUATION_STATE_QUEUED);
  evaluation.mutable_created_at()->set_seconds(1'700'000'000);
  evaluation.set_samples_total(100);
  return evaluation;
}

v1::EvaluationRecord MakeRecord(int64_t index) {
  v1::EvaluationRecord record;
  record.set_index(index);
  record.set_label(3);
  record.set_confidence(.1 * static_cast<double>(index));
  record.add_attacks()->set_linf(8. / 255);
  return record;
}

std::vector<v1::EvaluationRecord> MakeRecords(
    const std::vector<int64_t>& indices) {
  std::vector<v1::EvaluationRecord> records;
  for (int64_t index : indices) records.push_back(MakeRecord(index));
  return records;
}

std::unique_ptr<EvaluationStore> OpenOrDie(SqliteStoreOptions options) {
  auto store = OpenSqliteStore(options);
  EXPECT_TRUE(store.ok()) << store.status();
  return *std::move(store);
}

// Of the records that the store has.
std::vector<int64_t> Indices(const EvaluationStore& store,
                             const std::string& id) {
  const auto records = store.RecordBytes(id);
  EXPECT_TRUE(records.ok()) << records.status();
  std::vector<int64_t> indices;
  for (const std::string& bytes : *records) {
    v1::EvaluationRecord record;
    EXPECT_TRUE(record.ParseFromString(bytes));
    indices.push_back(record.index());
  }
  return indices;
}

TEST(EvaluationStoreTest, GivesBackWhatWasCreated) {
  const auto store = OpenOrDie({});
  const v1::Evaluation evaluation = MakeEvaluation(Id("abc"));
  ASSERT_TRUE(store->Create(evaluation).ok());
  const auto read = store->Get(evaluation.id());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(DeterministicBytes(*read), DeterministicBytes(evaluation));
  EXPECT_EQ(store->Create(evaluation).code(), absl::StatusCode::kAlreadyExists);
}

TEST(EvaluationStoreTest, UpdateKeepsEndAndReport) {
  const auto store = OpenOrDie({});
  v1::Evaluation evaluation = MakeEvaluation(Id("abc"));
  ASSERT_TRUE(store->Create(evaluation).ok());
  evaluation.set_state(v1::EVALUATION_STATE_SUCCEEDED);
  evaluation.mutable_finished_at()->set_seconds(1'700'000'060);
  evaluation.mutable_report()->set_records_sha256("digest");
  ASSERT_TRUE(store->Update(evaluation).ok());
  const auto read = store->Get(evaluation.id());
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(DeterministicBytes(*read), DeterministicBytes(evaluation));
  // Lists leave reports out.
  EXPECT_FALSE(store->List(1, "", "")->evaluations[0].has_report());
  EXPECT_TRUE(absl::IsNotFound(store->Update(MakeEvaluation(Id("dddddd")))));
}

TEST(EvaluationStoreTest, ResolvesUniqueBeginnings) {
  const auto store = OpenOrDie({});
  for (const char* prefix : {"abcdef1", "abcdef2", "fffffff"}) {
    ASSERT_TRUE(store->Create(MakeEvaluation(Id(prefix))).ok());
  }
  EXPECT_EQ(*store->ResolveId("abcdef1"), Id("abcdef1"));
  EXPECT_EQ(*store->ResolveId("ffffff"), Id("fffffff"));
  EXPECT_EQ(*store->ResolveId(Id("abcdef2")), Id("abcdef2"));

  const absl::Status ambiguous = store->ResolveId("abcdef").status();
  EXPECT_TRUE(absl::IsInvalidArgument(ambiguous));
  EXPECT_THAT(std::string(ambiguous.message()),
              AllOf(HasSubstr("several"), HasSubstr(Id("abcdef1")),
                    HasSubstr(Id("abcdef2"))));
  EXPECT_TRUE(absl::IsNotFound(store->ResolveId("0abcde").status()));
  for (const std::string& bad :
       {std::string("abcde"), std::string("ABCDEF"), std::string("abcd%f"),
        std::string(65, 'a'), std::string()}) {
    const absl::Status status = store->ResolveId(bad).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << bad;
    EXPECT_THAT(std::string(status.message()), HasSubstr("6 to 64")) << bad;
  }
}

TEST(EvaluationStoreTest, ListsNewestFirstInPages) {
  const auto store = OpenOrDie({});
  for (const char* prefix : {"a", "b", "c"}) {
    ASSERT_TRUE(store->Create(MakeEvaluation(Id(prefix))).ok());
  }
  ASSERT_TRUE(store->Create(MakeEvaluation(Id("d"), "balanced")).ok());
  auto page = store->List(2, "", "no-cat");
  ASSERT_TRUE(page.ok());
  ASSERT_THAT(page->evaluations, SizeIs(2));
  EXPECT_EQ(page->evaluations[0].id(), Id("c"));
  EXPECT_EQ(page->evaluations[1].id(), Id("b"));
  page = store->List(2, page->next_page_token, "no-cat");
  ASSERT_TRUE(page.ok());
  ASSERT_THAT(page->evaluations, SizeIs(1));
  EXPECT_EQ(page->evaluations[0].id(), Id("a"));
  EXPECT_THAT(page->next_page_token, IsEmpty());
  EXPECT_THAT(store->List(10, "", "")->evaluations, SizeIs(4));
  EXPECT_TRUE(absl::IsInvalidArgument(store->List(2, "x", "").status()));
}

TEST(EvaluationStoreTest, RecordsComeInIndexOrderWhateverTheirTiles) {
  const auto store = OpenOrDie({});
  const std::string id = Id("abc");
  ASSERT_TRUE(store->Create(MakeEvaluation(id)).ok());
  ASSERT_TRUE(store->Append(id, MakeRecords({7, 9}), {1.5}).ok());
  ASSERT_TRUE(store->Append(id, MakeRecords({1, 3, 5}), {.5}).ok());
  EXPECT_THAT(Indices(*store, id), ElementsAre(1, 3, 5, 7, 9));
  EXPECT_EQ(store->Spent(id)->seconds, 2);
  EXPECT_EQ(store->Get(id)->samples_done(), 5);

  auto page = store->Records(id, 3, "");
  ASSERT_TRUE(page.ok());
  ASSERT_THAT(page->records, SizeIs(3));
  EXPECT_EQ(page->records[0].index(), 1);
  page = store->Records(id, 3, page->next_page_token);
  ASSERT_TRUE(page.ok());
  ASSERT_THAT(page->records, SizeIs(2));
  EXPECT_EQ(page->records[1].index(), 9);
  EXPECT_THAT(page->next_page_token, IsEmpty());
  EXPECT_THAT(store->RecordBytes(id)->at(4), DeterministicBytes(MakeRecord(9)));
  EXPECT_TRUE(absl::IsInvalidArgument(store->Records(id, 3, "-1").status()));
  EXPECT_TRUE(absl::IsNotFound(store->Records(Id("f"), 3, "").status()));
}

TEST(EvaluationStoreTest, APageOfRecordsFitsAMessage) {
  const auto store = OpenOrDie({});
  const std::string id = Id("abc");
  ASSERT_TRUE(store->Create(MakeEvaluation(id)).ok());
  v1::EvaluationRecord large = MakeRecord(0);
  v1::AttackRecord attack;
  attack.set_linf(8. / 255);
  const size_t attack_bytes = attack.ByteSizeLong() + 2;  // tag and length
  for (size_t i = 0; i * attack_bytes < kMaxPageBytes / 3; ++i) {
    *large.add_attacks() = attack;
  }
  std::vector<v1::EvaluationRecord> records(5, large);
  for (int i = 0; i < 5; ++i) records[i].set_index(i);
  ASSERT_TRUE(store->Append(id, records, {1}).ok());

  std::vector<size_t> pages;
  std::string token;
  do {
    const auto page = store->Records(id, 5, token);
    ASSERT_TRUE(page.ok()) << page.status();
    pages.push_back(page->records.size());
    token = page->next_page_token;
  } while (!token.empty());
  EXPECT_THAT(pages, ElementsAre(2, 2, 1));
}

TEST(EvaluationStoreTest, ATileIsStoredWholeOrNotAtAll) {
  const auto store = OpenOrDie({});
  const std::string id = Id("abc");
  ASSERT_TRUE(store->Create(MakeEvaluation(id)).ok());
  ASSERT_TRUE(store->Append(id, MakeRecords({1}), {1}).ok());
  // Sample 1 is there already, so 2 must not come in either.
  EXPECT_FALSE(store->Append(id, MakeRecords({2, 1}), {1}).ok());
  EXPECT_THAT(Indices(*store, id), ElementsAre(1));
  EXPECT_EQ(store->Spent(id)->seconds, 1);
}

TEST(EvaluationStoreTest, DeleteForgetsTheRecordsToo) {
  const auto store = OpenOrDie({});
  const std::string id = Id("abc");
  ASSERT_TRUE(store->Create(MakeEvaluation(id)).ok());
  ASSERT_TRUE(store->Append(id, MakeRecords({1, 2}), {1}).ok());
  ASSERT_TRUE(store->Keep(id, MakeRecords({3}), {1}).ok());
  ASSERT_TRUE(store->Delete(id).ok());
  EXPECT_TRUE(absl::IsNotFound(store->Get(id).status()));
  EXPECT_TRUE(absl::IsNotFound(store->Delete(id)));
  ASSERT_TRUE(store->Create(MakeEvaluation(id)).ok());
  EXPECT_THAT(Indices(*store, id), IsEmpty());
  EXPECT_THAT(*store->UnfinishedBytes(id), IsEmpty());
}

TEST(EvaluationStoreTest, AFileKeepsEverythingAndTellsWhatIsUnderway) {
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

TEST(EvaluationStoreTest, OutliveCallersChangesNothingElse) {
  const auto store = OpenOrDie({});
  v1::Evaluation evaluation = MakeEvaluation(Id("abc"));
  evaluation.set_cancel_on_disconnect(true);
  ASSERT_TRUE(store->Create(evaluation).ok());
  ASSERT_TRUE(store->OutliveCallers(evaluation.id()).ok());
  evaluation.clear_cancel_on_disconnect();
  EXPECT_EQ(DeterministicBytes(*store->Get(evaluation.id())),
            DeterministicBytes(evaluation));
  EXPECT_TRUE(absl::IsNotFound(store->OutliveCallers(Id("f"))));
}

TEST(EvaluationStoreTest, UnfinishedRecordsAreKeptApart) {
  const auto store = OpenOrDie({});
  const std::string id = Id("abc");
  ASSERT_TRUE(store->Create(MakeEvaluation(id)).ok());
  ASSERT_TRUE(store->Keep(id, MakeRecords({5, 1}), {2, 10}).ok());
  v1::EvaluationRecord longer = MakeRecord(5);
  longer.add_attacks();
  ASSERT_TRUE(store->Keep(id, {longer}, {1, 1}).ok());
  EXPECT_THAT(*store->UnfinishedBytes(id),
              ElementsAre(DeterministicBytes(MakeRecord(1)),
                          DeterministicBytes(longer)));
  EXPECT_THAT(*store->RecordBytes(id), IsEmpty());
  EXPECT_EQ(store->Get(id)->samples_done(), 0);
  EXPECT_EQ(store->Spent(id)->seconds, 3);
  EXPECT_EQ(store->Spent(id)->queries, 11);
  // A whole record takes the place of the beginning.
  ASSERT_TRUE(store->Append(id, MakeRecords({5}), {1}).ok());
  EXPECT_THAT(*store->UnfinishedBytes(id),
              ElementsAre(DeterministicBytes(MakeRecord(1))));
  EXPECT_THAT(Indices(*store, id), ElementsAre(5));
  EXPECT_TRUE(absl::IsNotFound(store->Keep(Id("f"), {}, {})));
  EXPECT_TRUE(absl::IsNotFound(store->UnfinishedBytes(Id("f")).status()));
}

TEST(EvaluationStoreTest, OneUserAtATime) {
  const TemporaryFolder folder;
  const SqliteStoreOptions options{folder / "evaluations.db"};
  const auto store = OpenOrDie(options);
  const absl::Status second = OpenSqliteStore(options).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(second)) << second;
  EXPECT_THAT(std::string(second.message()),
              AllOf(HasSubstr(options.path), HasSubstr("another process")));
}

TEST(EvaluationStoreTest, RefusesFilesOfOtherSchemas) {
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

// A file that the first release wrote.
TEST(EvaluationStoreTest, BringsOlderFilesUpToDate) {
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

TEST(EvaluationStoreTest, RefusesDamagedFilesAndMissingFolders) {
  const TemporaryFolder folder;
  const std::string path = folder / "evaluations.db";
  std::ofstream(path) << std::string(5000, 'x');
  absl::Status status = OpenSqliteStore({path}).status();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(path));
  status = OpenSqliteStore({folder / "none/evaluations.db"}).status();
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
}

TEST(EvaluationStoreTest, AFullDiskLosesNothing) {
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
