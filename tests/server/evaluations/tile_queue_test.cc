#include "server/evaluations/tile_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "server/evaluations/postgres.h"
#include "server/evaluations/postgres_evaluation_store.h"
#include "tests/server/evaluations/made_evaluations.h"
#include "tests/server/evaluations/postgres_server.h"

namespace adv {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Servers of one database, each with a store of its own. Leases of 0 seconds
// have run out at once, others in none of the tests.
class TileQueueTest : public ::testing::Test {
 protected:
  std::unique_ptr<EvaluationStore> Open(const std::string& owner,
                                        double lease_seconds = 1000) {
    auto store = OpenPostgresStore({url_, owner, lease_seconds});
    EXPECT_TRUE(store.ok()) << store.status();
    return *std::move(store);
  }

  // Of 100 samples in tiles of 40: 0 to 2, and 3 for the report.
  void Enter(EvaluationStore& store) {
    ASSERT_TRUE(store.Create(MakeEvaluation(id_)).ok());
    ASSERT_EQ(*store.queue()->Enter(id_, 40), 40);
  }

  // The number of the tile that the server gets; -1: none.
  int64_t Take(EvaluationStore& store) {
    const auto taken = store.queue()->Take(id_);
    EXPECT_TRUE(taken.ok()) << taken.status();
    return taken.ok() && taken->has_value() ? (*taken)->number : -1;
  }

  const std::string url_ = PostgresServer::NewDatabase();
  const std::string id_ = Id("abc");
};

TEST_F(TileQueueTest, ServersShareTilesAndTheLastGetsTheReport) {
  const auto one = Open("one");
  const auto two = Open("two");
  Enter(*one);
  // Another server's wish for other tiles comes too late.
  EXPECT_EQ(*two->queue()->Enter(id_, 7), 40);
  EXPECT_EQ(Take(*one), 0);
  EXPECT_EQ(Take(*two), 1);
  EXPECT_EQ(Take(*one), 2);
  EXPECT_EQ(Take(*two), -1);
  EXPECT_EQ(two->Get(id_)->state(), v1::EVALUATION_STATE_RUNNING);
  ASSERT_TRUE(one->queue()->Finish(id_, 0, MakeRecords({1, 2}), {1, 5}).ok());
  ASSERT_TRUE(two->queue()->Finish(id_, 1, MakeRecords({3}), {2, 6}).ok());
  // Not before all others are done.
  EXPECT_EQ(Take(*two), -1);
  ASSERT_TRUE(one->queue()->Finish(id_, 2, MakeRecords({4}), {.5}).ok());
  EXPECT_THAT(*two->queue()->Done(id_), ElementsAre(0, 1, 2));
  EXPECT_EQ(Take(*two), 3);
  EXPECT_EQ(Take(*one), -1);
  EXPECT_THAT(Indices(*two, id_), ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(two->Get(id_)->samples_done(), 4);
  EXPECT_EQ(two->Spent(id_)->seconds, 3.5);
  EXPECT_EQ(two->Spent(id_)->queries, 11);
  EXPECT_THAT(*one->queue()->RecordsOf(id_, {2, 3, 99}),
              ElementsAre(MakeRecord(2).SerializeAsString(),
                          MakeRecord(3).SerializeAsString()));
}

TEST_F(TileQueueTest, LengthCountsTheTilesOfAllServers) {
  const auto one = Open("one");
  const auto dead = Open("dead", 0);
  const auto expect = [&](int64_t waiting, int64_t taken) {
    const auto length = one->queue()->Length();
    ASSERT_TRUE(length.ok()) << length.status();
    EXPECT_EQ(length->waiting, waiting);
    EXPECT_EQ(length->taken, taken);
  };
  expect(0, 0);
  Enter(*one);
  expect(3, 0);
  EXPECT_EQ(Take(*one), 0);
  expect(2, 1);
  EXPECT_EQ(Take(*dead), 1);
  expect(2, 1);
  ASSERT_TRUE(one->queue()->Finish(id_, 0, MakeRecords({1}), {1}).ok());
  expect(2, 0);
  v1::Evaluation cancelled = *one->Get(id_);
  cancelled.set_state(v1::EVALUATION_STATE_CANCELLED);
  ASSERT_TRUE(*one->queue()->End(cancelled));
  expect(0, 0);
}

TEST_F(TileQueueTest, ATileWhoseLeaseRanOutIsAnothers) {
  const auto dead = Open("dead", 0);
  const auto alive = Open("alive");
  Enter(*dead);
  EXPECT_EQ(Take(*dead), 0);
  const auto taken = alive->queue()->Take(id_);
  ASSERT_TRUE(taken.ok() && taken->has_value());
  EXPECT_EQ((*taken)->number, 0);
  EXPECT_TRUE((*taken)->again);
  // It was not dead, only slow. What it did is dropped.
  const absl::Status late =
      dead->queue()->Finish(id_, 0, MakeRecords({1}), {1});
  EXPECT_TRUE(absl::IsAborted(late)) << late;
  EXPECT_THAT(Indices(*alive, id_), IsEmpty());
  EXPECT_TRUE(alive->queue()->Finish(id_, 0, MakeRecords({1}), {1}).ok());
  // The answer to the first call may have been lost.
  EXPECT_TRUE(alive->queue()->Finish(id_, 0, MakeRecords({1}), {1}).ok());
  EXPECT_THAT(Indices(*alive, id_), ElementsAre(1));
  EXPECT_EQ(alive->Spent(id_)->seconds, 1);
}

TEST_F(TileQueueTest, RenewKeepsATileAndGiveBackFreesIt) {
  const auto one = Open("one", 0);
  const auto one_again = Open("one", 1000);
  const auto two = Open("two");
  Enter(*one);
  EXPECT_EQ(Take(*one), 0);
  ASSERT_TRUE(one_again->queue()->Renew().ok());
  EXPECT_EQ(Take(*two), 1);
  ASSERT_TRUE(two->queue()->GiveBack(id_, 0).ok());  // not its own
  EXPECT_EQ(Take(*two), 2);
  ASSERT_TRUE(one->queue()->GiveBack(id_, 0).ok());
  EXPECT_EQ(Take(*two), 0);
}

TEST_F(TileQueueTest, ATileThatTakesServersDownFailsItsEvaluation) {
  const auto store = Open("one", 0);
  Enter(*store);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(Take(*store), 0) << i;
  EXPECT_EQ(Take(*store), -1);
  const auto evaluation = store->Get(id_);
  EXPECT_EQ(evaluation->state(), v1::EVALUATION_STATE_FAILED);
  EXPECT_THAT(evaluation->error(), HasSubstr("tile 0 was taken 10 times"));
  EXPECT_TRUE(evaluation->has_finished_at());
}

TEST_F(TileQueueTest, AnEndIsTheFirstAndStopsAll) {
  const auto store = Open("one");
  Enter(*store);
  EXPECT_EQ(Take(*store), 0);
  v1::Evaluation cancelled = MakeEvaluation(id_);
  cancelled.set_state(v1::EVALUATION_STATE_CANCELLED);
  EXPECT_TRUE(*store->queue()->End(cancelled));
  v1::Evaluation succeeded = cancelled;
  succeeded.set_state(v1::EVALUATION_STATE_SUCCEEDED);
  EXPECT_FALSE(*store->queue()->End(succeeded));
  EXPECT_EQ(store->Get(id_)->state(), v1::EVALUATION_STATE_CANCELLED);
  EXPECT_EQ(Take(*store), -1);
  EXPECT_TRUE(
      absl::IsAborted(store->queue()->Finish(id_, 0, MakeRecords({1}), {1})));
  EXPECT_THAT(Indices(*store, id_), IsEmpty());
}

TEST_F(TileQueueTest, NoTwoOfManyServersGetTheSameTile) {
  constexpr int kServers = 8;
  constexpr int64_t kTiles = 100;
  std::vector<std::unique_ptr<EvaluationStore>> stores;
  for (int i = 0; i < kServers; ++i) {
    stores.push_back(Open(std::string(1, static_cast<char>('a' + i))));
  }
  ASSERT_TRUE(stores[0]->Create(MakeEvaluation(id_)).ok());
  ASSERT_TRUE(stores[0]->queue()->Enter(id_, 1).ok());
  std::vector<std::vector<int64_t>> done(kServers);
  std::vector<std::thread> threads;
  for (int i = 0; i < kServers; ++i) {
    threads.emplace_back([&, i] {
      for (int64_t tile; (tile = Take(*stores[i])) >= 0;) {
        done[i].push_back(tile);
        if (tile == kTiles) return;  // the report
        EXPECT_TRUE(stores[i]
                        ->queue()
                        ->Finish(id_, tile, MakeRecords({tile}), {1})
                        .ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::multiset<int64_t> all;
  for (const auto& tiles : done) all.insert(tiles.begin(), tiles.end());
  EXPECT_EQ(std::set<int64_t>(all.begin(), all.end()).size(), all.size());
  for (int64_t tile = 0; tile < kTiles; ++tile) EXPECT_EQ(all.count(tile), 1);
}

TEST_F(TileQueueTest, NewsOfOthersAndWakeEndTheWait) {
  constexpr int kLong = 60'000;
  const auto one = Open("one");
  const auto two = Open("two");
  Enter(*one);  // news for `two`, which listened before
  EXPECT_TRUE(two->queue()->AwaitNews(kLong).ok());
  two->queue()->Wake();
  EXPECT_TRUE(two->queue()->AwaitNews(kLong).ok());
}

TEST_F(TileQueueTest, RefusesNewerSchemas) {
  Open("one");
  auto connection = PostgresConnection::Open(url_, "SET search_path TO adv");
  ASSERT_TRUE(connection.ok());
  ASSERT_TRUE(
      (*connection)->Execute("UPDATE schema_version SET version = 9").ok());
  const absl::Status status = OpenPostgresStore({url_, ""}).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(
      std::string(status.message()),
      AllOf(HasSubstr("schema version 9"), HasSubstr("versions 1 to 1")));
}

TEST_F(TileQueueTest, ADatabaseThatIsNotThereIsUnavailableAndHidesPasswords) {
  const absl::Status status =
      OpenPostgresStore({"postgresql://adv:secret@/none?host=/nowhere", ""})
          .status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("/nowhere"), Not(HasSubstr("secret"))));
}

}  // namespace
}  // namespace adv
