// Publishers and readers at once, in threads and in processes.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <atomic>
#include <filesystem>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "model_store/model_store.h"
#include "tests/model_store/test_store.h"

namespace adv {
namespace {

constexpr int kPublishers = 4;
constexpr int kVersionsEach = 5;

// Publishes kVersionsEach versions that differ by publisher; the versions, or
// fewer after an error.
std::vector<uint64_t> PublishSome(const ModelStore& store, int publisher) {
  std::vector<uint64_t> versions;
  for (int i = 0; i < kVersionsEach; ++i) {
    auto version = store.Publish(
        ExampleManifest(), ExampleFiles(static_cast<char>('a' + publisher)));
    if (version.ok()) versions.push_back(*version);
  }
  return versions;
}

// Reads every listed version; how many there are, or -1 if one was not whole.
int ReadAll(const ModelStore& store) {
  auto versions = store.List();
  if (!versions.ok()) return -1;
  for (const ModelVersion& model : *versions) {
    auto read = store.Read(model.name, model.version);
    EXPECT_TRUE(read.ok()) << read.status();
    if (!read.ok()) return -1;
  }
  return static_cast<int>(versions->size());
}

TEST(ModelStoreConcurrencyTest, ThreadsGetVersionsOfTheirOwn) {
  TemporaryFolder folder;
  const ModelStore store(folder.path());
  std::vector<std::vector<uint64_t>> versions(kPublishers);
  std::vector<std::thread> publishers;
  std::atomic<int> running{kPublishers};
  for (int i = 0; i < kPublishers; ++i) {
    publishers.emplace_back([&, i] {
      versions[i] = PublishSome(store, i);
      running.fetch_sub(1);
    });
  }
  std::thread reader([&] {
    int seen = 0;
    while (running.load() > 0) {
      const int now = ReadAll(store);
      EXPECT_GE(now, seen);
      seen = now;
    }
  });
  for (std::thread& publisher : publishers) publisher.join();
  reader.join();

  std::set<uint64_t> distinct;
  for (const auto& some : versions) distinct.insert(some.begin(), some.end());
  EXPECT_EQ(distinct.size(), kPublishers * kVersionsEach);
  EXPECT_EQ(ReadAll(store), kPublishers * kVersionsEach);
  EXPECT_TRUE(StagingIsEmpty(store.root()));
}

TEST(ModelStoreConcurrencyTest, ProcessesGetVersionsOfTheirOwn) {
  TemporaryFolder folder;
  const ModelStore store(folder.path());
  std::vector<pid_t> publishers;
  for (int i = 0; i < kPublishers; ++i) {
    publishers.push_back(StartProcess([&, i] {
      const auto versions = PublishSome(store, i);
      // Still its own: nobody wrote over it.
      for (const uint64_t version : versions) {
        auto read = store.Read("no-cat", version);
        if (!read.ok() ||
            read->files != ExampleFiles(static_cast<char>('a' + i))) {
          return 1;
        }
      }
      return versions.size() == kVersionsEach ? 0 : 2;
    }));
  }
  int seen = 0;
  for (const pid_t publisher : publishers) {
    int status = 0;
    while (::waitpid(publisher, &status, WNOHANG) == 0) {
      const int now =
          std::filesystem::exists(folder / "no-cat") ? ReadAll(store) : 0;
      EXPECT_GE(now, seen);
      seen = now;
    }
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(ReadAll(store), kPublishers * kVersionsEach);
  EXPECT_EQ(*store.LatestVersion("no-cat"), kPublishers * kVersionsEach);
  EXPECT_TRUE(StagingIsEmpty(store.root()));
}

}  // namespace
}  // namespace adv
