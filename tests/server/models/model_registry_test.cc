#include "server/models/model_registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "tests/server/gate.h"
#include "tests/server/models/model_registry_fixture.h"

namespace adv {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST_F(ModelRegistryTest, BorrowLoadedLoadsNothing) {
  Publish(root(), Model(0));
  Publish(root(), Model(1));
  ModelRegistry registry(Options());
  registry.Reload();
  EXPECT_EQ((*registry.BorrowLoaded("no-cat"))->full_name(), "no-cat@2");
  const auto older = registry.BorrowLoaded("no-cat@1");
  ASSERT_TRUE(older.ok()) << older.status();
  EXPECT_EQ(*older, nullptr);
  EXPECT_EQ(registry.stats().loads, 1);
  ASSERT_TRUE(registry.Borrow("no-cat@1").ok());
  EXPECT_EQ((*registry.BorrowLoaded("no-cat@1"))->full_name(), "no-cat@1");
  EXPECT_TRUE(absl::IsNotFound(registry.BorrowLoaded("no-cat@3").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(registry.BorrowLoaded("@").status()));
}

TEST_F(ModelRegistryTest, LoadsTheNewestOfEachName) {
  Publish(root(), Model(0));
  Publish(root(), Model(1));
  Publish(root(), Model(2));
  ModelRegistry registry(Options());
  const ReloadResult result = registry.Reload();
  EXPECT_THAT(result.failed, IsEmpty());
  ASSERT_THAT(result.loaded, SizeIs(2));
  EXPECT_EQ(result.loaded[0].name(), "balanced");
  EXPECT_EQ(result.loaded[1].version(), 2);

  const auto model = registry.Borrow("no-cat");
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ((*model)->full_name(), "no-cat@2");
  EXPECT_EQ((*model)->digest, Sha256Hex(Model(1).weights));
  EXPECT_EQ((*model)->reference().digest(), (*model)->digest);
  EXPECT_EQ((*model)->store, root());
  EXPECT_EQ((*model)->network->traits().classes, 10);

  const std::vector<v1::Model> list = registry.List();
  ASSERT_THAT(list, SizeIs(3));
  EXPECT_EQ(list[0].name(), "balanced");
  EXPECT_EQ(list[0].state(), v1::MODEL_STATE_READY);
  EXPECT_EQ(list[1].version(), 1);
  EXPECT_EQ(list[1].state(), v1::MODEL_STATE_UNSPECIFIED);
  EXPECT_EQ(list[1].digest(), Sha256Hex(Model(0).weights));
  EXPECT_EQ(list[2].state(), v1::MODEL_STATE_READY);
  EXPECT_EQ(list[2].manifest().golden().logits_size(), 20);
}

TEST_F(ModelRegistryTest, LoadsAnOlderVersionWhenAskedAndKeepsAFew) {
  Publish(root(), Model(0));
  Publish(root(), Model(1));
  Publish(root(), Model(0));
  ModelRegistryOptions options = Options();
  options.older_versions_kept = 1;
  ModelRegistry registry(options);
  registry.Reload();
  const auto first = registry.Borrow("no-cat@1");
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ((*first)->full_name(), "no-cat@1");
  EXPECT_EQ(registry.Get("no-cat@1")->state(), v1::MODEL_STATE_READY);
  EXPECT_EQ(registry.stats().loads, 2);
  ASSERT_TRUE(registry.Borrow("no-cat@1").ok());
  EXPECT_EQ(registry.stats().loads, 2);
  // The second older one takes the first's place; who holds it may go on.
  ASSERT_TRUE(registry.Borrow("no-cat@2").ok());
  EXPECT_EQ(registry.Get("no-cat@1")->state(), v1::MODEL_STATE_UNSPECIFIED);
  EXPECT_EQ(registry.Get("no-cat@3")->state(), v1::MODEL_STATE_READY);
  EXPECT_EQ((*first)->network->traits().classes, 10);
}

TEST_F(ModelRegistryTest, UnknownNamesListTheKnownOnes) {
  Publish(root(), Model(0));
  Publish(root(), Model(2));
  ModelRegistry registry(Options());
  registry.Reload();
  absl::Status status = registry.Borrow("no-dog").status();
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("\"no-dog\""), HasSubstr("balanced, no-cat")));
  EXPECT_EQ(registry.Get("no-dog").status(), status);
  status = registry.Borrow("no-cat@7").status();
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("versions are 1"));
  for (const char* bad : {"", "No-Cat", "no-cat@", "no-cat@0", "no-cat@x",
                          "no-cat@-1", "no-cat@1@2", "../no-cat"}) {
    status = registry.Borrow(bad).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << bad << ": " << status;
  }
}

TEST_F(ModelRegistryTest, AMissingStoreIsToldAndHarmsNoOther) {
  Publish(root(), Model(0));
  ModelRegistryOptions options = Options();
  options.stores = {folder_ / "missing", root()};
  ModelRegistry registry(options);
  const ReloadResult result = registry.Reload();
  ASSERT_THAT(result.store_errors, SizeIs(1));
  EXPECT_THAT(result.store_errors[0], HasSubstr("missing"));
  EXPECT_TRUE(registry.Borrow("no-cat").ok());
  options.stores.clear();
  ModelRegistry empty(options);
  EXPECT_THAT(empty.Serving(), IsEmpty());
  EXPECT_THAT(std::string(empty.Borrow("no-cat").status().message()),
              HasSubstr("there are none"));
}

TEST_F(ModelRegistryTest, TheSameVersionWithOtherWeightsInAnotherStoreFails) {
  const std::string second = folder_ / "second";
  Publish(root(), Model(0));
  Publish(second, Model(1));
  Publish(second, Model(2));
  ModelRegistryOptions options = Options();
  options.stores.push_back(second);
  ModelRegistry registry(options);
  const ReloadResult result = registry.Reload();
  ASSERT_THAT(result.failed, SizeIs(1));
  EXPECT_EQ(result.failed[0].store(), second);
  EXPECT_THAT(result.failed[0].error(),
              AllOf(HasSubstr(root()), HasSubstr("higher version")));
  EXPECT_EQ((*registry.Borrow("no-cat@1"))->store, root());
  EXPECT_EQ((*registry.Borrow("balanced"))->store, second);
  // A higher version in the second store takes over.
  Publish(second, Model(1));
  registry.Reload();
  EXPECT_EQ((*registry.Borrow("no-cat"))->full_name(), "no-cat@2");
}

TEST_F(ModelRegistryTest, AVersionTakesThePlaceOfOneThatIsGone) {
  const std::string second = folder_ / "second";
  Publish(root(), Model(0));
  Publish(second, Model(2));
  ModelRegistryOptions options = Options();
  options.stores.push_back(second);
  ModelRegistry registry(options);
  registry.Reload();
  // Whichever of the two stores the other one is in.
  Publish(second, Model(1));
  EXPECT_THAT(registry.Reload().failed, SizeIs(1));
  std::filesystem::remove_all(root() + "/no-cat");
  registry.Reload();
  EXPECT_TRUE(registry.Serving()["no-cat"]);
  EXPECT_EQ((*registry.Borrow("no-cat"))->store, second);

  Publish(root(), Model(0));
  EXPECT_THAT(registry.Reload().failed, SizeIs(1));
  std::filesystem::remove_all(second + "/no-cat");
  registry.Reload();
  EXPECT_TRUE(registry.Serving()["no-cat"]);
  EXPECT_EQ((*registry.Borrow("no-cat"))->store, root());
}

TEST_F(ModelRegistryTest, AnOlderVersionIsLentEvenIfNoneIsKept) {
  Publish(root(), Model(0));
  Publish(root(), Model(1));
  ModelRegistryOptions options = Options();
  options.older_versions_kept = 0;
  ModelRegistry registry(options);
  registry.Reload();
  const auto older = registry.Borrow("no-cat@1");
  ASSERT_TRUE(older.ok()) << older.status();
  ASSERT_NE(*older, nullptr);
  EXPECT_EQ((*older)->full_name(), "no-cat@1");
}

TEST_F(ModelRegistryTest, ADeletedVersionIsForgottenButServesItsHolder) {
  Publish(root(), Model(0));
  Publish(root(), Model(1));
  ModelRegistry registry(Options());
  registry.Reload();
  const auto held = registry.Borrow("no-cat");
  std::filesystem::remove_all(root() + "/no-cat/2");
  registry.Reload();
  EXPECT_EQ((*registry.Borrow("no-cat"))->full_name(), "no-cat@1");
  EXPECT_EQ((*held)->full_name(), "no-cat@2");
  EXPECT_EQ((*held)->network->traits().classes, 10);
  std::filesystem::remove_all(root() + "/no-cat");
  registry.Reload();
  EXPECT_TRUE(absl::IsNotFound(registry.Borrow("no-cat").status()));
}

TEST_F(ModelRegistryTest, PollingFindsNewVersions) {
  Publish(root(), Model(0));
  Gate changed;
  ModelRegistryOptions options = Options();
  options.on_change = [&](const ReloadResult& result) {
    EXPECT_THAT(result.loaded, SizeIs(1));
    changed.Pass();
  };
  changed.Open();
  ModelRegistry registry(options);
  registry.Reload();
  registry.StartPolling();
  Publish(root(), Model(1));
  clock_.AwaitWaiter();
  clock_.Advance(options.poll_interval);
  changed.AwaitArrivals(1);
  EXPECT_EQ((*registry.Borrow("no-cat"))->full_name(), "no-cat@2");
}

// It would be read, counted and logged again at every look.
TEST_F(ModelRegistryTest, CodeThatMayNotRunIsLookedAtOnce) {
  v1::ModelManifest code = Model(0).manifest;
  code.set_format("torchscript");
  ASSERT_TRUE(
      ModelStore(root()).Publish(code, {{kTorchScriptFile, "code"}}).ok());
  Gate changed;
  ModelRegistryOptions options = Options();
  options.on_change = [&](const ReloadResult&) { changed.Pass(); };
  changed.Open();
  ModelRegistry registry(options);
  EXPECT_THAT(registry.Reload().failed, SizeIs(1));
  registry.StartPolling();
  Publish(root(), Model(2));
  clock_.AwaitWaiter();
  clock_.Advance(options.poll_interval);
  changed.AwaitArrivals(1);
  EXPECT_EQ(registry.stats().load_failures, 1);
}

TEST_F(ModelRegistryTest, SwapsUnderBorrowersWithoutAnError) {
  Publish(root(), Model(0));
  ModelRegistry registry(Options());
  registry.Reload();
  std::atomic<bool> stop{false};
  std::atomic<int64_t> borrowed{0};
  std::vector<std::thread> readers;
  readers.reserve(2);
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      uint64_t last = 0;
      while (!stop) {
        const auto model = registry.Borrow("no-cat");
        ASSERT_TRUE(model.ok()) << model.status();
        // Versions only grow, and each comes whole.
        EXPECT_GE((*model)->manifest.version(), last);
        last = (*model)->manifest.version();
        EXPECT_EQ((*model)->digest,
                  Sha256Hex(Model(last % 2 == 1 ? 0 : 1).weights));
        ++borrowed;
      }
    });
  }
  for (int i = 1; i <= 4; ++i) {
    Publish(root(), Model(i % 2));
    EXPECT_THAT(registry.Reload().loaded, SizeIs(1));
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_GT(borrowed, 0);
  EXPECT_EQ((*registry.Borrow("no-cat"))->full_name(), "no-cat@5");
}

}  // namespace
}  // namespace adv
