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
  EXPECT_THAT(*store->DoneIndices(id), ElementsAre(1, 3, 5, 7, 9));
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
  EXPECT_THAT(*store->DoneIndices(id), ElementsAre(1));
  EXPECT_EQ(store->Spent(id)->seconds, 1);
}

TEST(EvaluationStoreTest, DeleteForgetsTheRecordsToo) {
  const auto store = OpenOrDie({});
  const std::string id = Id("abc");
  ASSERT_TRUE(store->Create(MakeEvaluation(id)).ok());
  ASSERT_TRUE(store->Append(id, MakeRecords({1, 2}), {1}).ok());
  ASSERT_TRUE(store->Delete(id).ok());
  EXPECT_TRUE(absl::IsNotFound(store->Get(id).status()));
  EXPECT_TRUE(absl::IsNotFound(store->Delete(id)));
  ASSERT_TRUE(store->Create(MakeEvaluation(id)).ok());
  EXPECT_THAT(*store->DoneIndices(id), IsEmpty());
}

TEST(EvaluationStoreTest, AFileKeepsEverythingAndMarksTheUnfinished) {
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
  }
  const auto store = OpenOrDie(options);
  EXPECT_THAT(*store->DoneIndices(id), ElementsAre(1, 2));
  ASSERT_TRUE(store->InterruptUnfinished("server stopped").ok());
  EXPECT_EQ(store->Get(id)->state(), v1::EVALUATION_STATE_CANCELLED);
  EXPECT_EQ(store->Get(id)->error(), "server stopped");
  EXPECT_EQ(store->Get(Id("d"))->state(), v1::EVALUATION_STATE_SUCCEEDED);
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
                    HasSubstr("versions 1 to 2")));

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
         "PRAGMA user_version = 1");
  const auto store = OpenOrDie(options);
  EXPECT_THAT(*store->DoneIndices(id), ElementsAre(1, 2));
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
    EXPECT_THAT(*store->DoneIndices(id), SizeIs(stored));
    EXPECT_EQ(store->Size()->limit, options.max_bytes);
    EXPECT_LE(store->Size()->used, options.max_bytes);
    EXPECT_GT(store->Size()->used, options.max_bytes * 3 / 4);
  }
  EXPECT_LE(std::filesystem::file_size(options.path), options.max_bytes);
  // With room again it goes on.
  options.max_bytes = 0;
  const auto store = OpenOrDie(options);
  EXPECT_THAT(*store->DoneIndices(id), SizeIs(stored));
  EXPECT_TRUE(store->Append(id, MakeRecords({stored}), {1}).ok());
  // What is deleted makes room, though the file stays as large.
  const int64_t full = store->Size()->used;
  ASSERT_TRUE(store->Delete(id).ok());
  EXPECT_LT(store->Size()->used, full / 2);
  EXPECT_EQ(store->Size()->limit, 0);
}

}  // namespace
}  // namespace adv
