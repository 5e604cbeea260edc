#include "server/evaluations/evaluation_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "server/codec/deterministic_bytes.h"
#include "server/evaluations/postgres_evaluation_store.h"
#include "server/evaluations/sqlite_evaluation_store.h"
#include "tests/server/evaluations/made_evaluations.h"
#include "tests/server/evaluations/postgres_server.h"

// What every store promises.
namespace adv {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

enum class Kind { kSqlite, kPostgres };

// Each test has a store of its own, empty.
class EvaluationStoreTest : public ::testing::TestWithParam<Kind> {
 protected:
  std::unique_ptr<EvaluationStore> Open() {
    auto store = GetParam() == Kind::kSqlite
                     ? OpenSqliteStore({})
                     : OpenPostgresStore({PostgresServer::NewDatabase(), ""});
    EXPECT_TRUE(store.ok()) << store.status();
    return *std::move(store);
  }
};

TEST_P(EvaluationStoreTest, GivesBackWhatWasCreated) {
  const auto store = Open();
  const v1::Evaluation evaluation = MakeEvaluation(Id("abc"));
  ASSERT_TRUE(store->Create(evaluation).ok());
  const auto read = store->Get(evaluation.id());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(DeterministicBytes(*read), DeterministicBytes(evaluation));
  EXPECT_EQ(store->Create(evaluation).code(), absl::StatusCode::kAlreadyExists);
}

TEST_P(EvaluationStoreTest, UpdateKeepsEndAndReport) {
  const auto store = Open();
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

TEST_P(EvaluationStoreTest, ResolvesUniqueBeginnings) {
  const auto store = Open();
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

TEST_P(EvaluationStoreTest, ListsNewestFirstInPages) {
  const auto store = Open();
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

TEST_P(EvaluationStoreTest, RecordsComeInIndexOrderWhateverTheirTiles) {
  const auto store = Open();
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

TEST_P(EvaluationStoreTest, APageOfRecordsFitsAMessage) {
  const auto store = Open();
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

TEST_P(EvaluationStoreTest, ATileIsStoredWholeOrNotAtAll) {
  const auto store = Open();
  const std::string id = Id("abc");
  ASSERT_TRUE(store->Create(MakeEvaluation(id)).ok());
  ASSERT_TRUE(store->Append(id, MakeRecords({1}), {1}).ok());
  // Sample 1 is there already, so 2 must not come in either.
  EXPECT_FALSE(store->Append(id, MakeRecords({2, 1}), {1}).ok());
  EXPECT_THAT(Indices(*store, id), ElementsAre(1));
  EXPECT_EQ(store->Spent(id)->seconds, 1);
}

TEST_P(EvaluationStoreTest, DeleteForgetsTheRecordsToo) {
  const auto store = Open();
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

TEST_P(EvaluationStoreTest, OutliveCallersChangesNothingElse) {
  const auto store = Open();
  v1::Evaluation evaluation = MakeEvaluation(Id("abc"));
  evaluation.set_cancel_on_disconnect(true);
  ASSERT_TRUE(store->Create(evaluation).ok());
  ASSERT_TRUE(store->OutliveCallers(evaluation.id()).ok());
  evaluation.clear_cancel_on_disconnect();
  EXPECT_EQ(DeterministicBytes(*store->Get(evaluation.id())),
            DeterministicBytes(evaluation));
  EXPECT_TRUE(absl::IsNotFound(store->OutliveCallers(Id("f"))));
}

TEST_P(EvaluationStoreTest, UnfinishedRecordsAreKeptApart) {
  const auto store = Open();
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

// A file that the first release wrote.
INSTANTIATE_TEST_SUITE_P(Stores, EvaluationStoreTest,
                         ::testing::Values(Kind::kSqlite, Kind::kPostgres),
                         [](const auto& store) {
                           return store.param == Kind::kSqlite ? "Sqlite"
                                                               : "PostgreSQL";
                         });

}  // namespace
}  // namespace adv
