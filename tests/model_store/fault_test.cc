// System calls that fail or never return: this executable's own fsync, rename
// and write stand before the C library's, and each in turn fails or kills.
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <random>
#include <string>

#include "model_store/durable_file.h"
#include "model_store/model_store.h"
#include "tests/model_store/test_store.h"

namespace {

// What the next system calls of this process meet.
struct Fault {
  int countdown = 0;  // the call that meets it, from 1; 0: none does
  int error = 0;      // fails with this errno; 0: the process is killed
  bool partial_writes = false;  // writes take a few bytes or are interrupted
};
Fault fault;

// Whether this call fails, with errno set.
bool Fails() {
  if (fault.countdown == 0 || --fault.countdown > 0) return false;
  if (fault.error == 0) ::raise(SIGKILL);
  errno = fault.error;
  return true;
}

template <typename Function>
Function* Real(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" int fsync(int fd) {
  return Fails() ? -1 : Real<int(int)>("fsync")(fd);
}

extern "C" int rename(const char* from, const char* to) noexcept {
  return Fails() ? -1 : Real<int(const char*, const char*)>("rename")(from, to);
}

extern "C" int mkdir(const char* path, mode_t mode) noexcept {
  return Fails() ? -1 : Real<int(const char*, mode_t)>("mkdir")(path, mode);
}

extern "C" ssize_t write(int fd, const void* bytes, size_t size) {
  if (Fails()) return -1;
  static int calls = 0;
  if (fault.partial_writes) {
    if (++calls % 3 == 0) {
      errno = EINTR;
      return -1;
    }
    size = std::min<size_t>(size, 100);
  }
  return Real<ssize_t(int, const void*, size_t)>("write")(fd, bytes, size);
}

namespace adv {
namespace {

using ::testing::HasSubstr;

// No sequence here has so many calls.
constexpr int kTooMany = 100;

// Fails unless every listed version is whole; how many there are.
size_t CountWhole(const ModelStore& store) {
  auto versions = store.List();
  EXPECT_TRUE(versions.ok()) << versions.status();
  for (const ModelVersion& model : *versions) {
    auto read = store.Read(model.name, model.version);
    EXPECT_TRUE(read.ok()) << read.status();
  }
  return versions->size();
}

// Lets each system call of a publication fail in turn.
void FailEachCall(int error, absl::StatusCode expected) {
  TemporaryFolder folder;
  const ModelStore store(folder.path());
  ASSERT_TRUE(store.Publish(ExampleManifest("a"), ExampleFiles()).ok());
  int failed = 0;
  while (failed < kTooMany) {
    fault = {failed + 1, error, false};
    auto version = store.Publish(ExampleManifest(), ExampleFiles());
    const bool met = fault.countdown == 0;
    fault = {};
    if (!met) {
      ASSERT_TRUE(version.ok()) << version.status();
      EXPECT_EQ(*version, 1);
      break;
    }
    ++failed;
    EXPECT_EQ(version.status().code(), expected) << version.status();
    EXPECT_THAT(std::string(version.status().message()),
                HasSubstr(folder.path()));
    EXPECT_EQ(CountWhole(store), 1) << "after failed call " << failed;
    EXPECT_TRUE(StagingIsEmpty(store.root())) << "after failed call " << failed;
  }
  // Two files, the manifest, their folder, the rename and its folder.
  EXPECT_GT(failed, 8);
  EXPECT_LT(failed, kTooMany);
  EXPECT_EQ(CountWhole(store), 2);
}

TEST(FaultTest, DiskFullAtAnyPointPublishesNothing) {
  FailEachCall(ENOSPC, absl::StatusCode::kResourceExhausted);
}

TEST(FaultTest, QuotaReachedAtAnyPointPublishesNothing) {
  FailEachCall(EDQUOT, absl::StatusCode::kResourceExhausted);
}

TEST(FaultTest, ReadOnlyAtAnyPointPublishesNothing) {
  FailEachCall(EROFS, absl::StatusCode::kPermissionDenied);
}

TEST(FaultTest, PartialAndInterruptedWritesAreCompleted) {
  TemporaryFolder folder;
  const ModelStore store(folder.path());
  fault.partial_writes = true;
  auto version = store.Publish(ExampleManifest(), ExampleFiles());
  fault = {};
  ASSERT_TRUE(version.ok()) << version.status();
  EXPECT_EQ(store.Read("no-cat", *version)->files, ExampleFiles());
}

TEST(FaultTest, FolderThatCannotBeSyncedIsNoError) {
  TemporaryFolder folder;
  fault = {1, EINVAL, false};
  EXPECT_TRUE(SyncFolder(folder.path()).ok());
  fault = {1, EIO, false};
  EXPECT_FALSE(SyncFolder(folder.path()).ok());
  fault = {};
}

TEST(FaultTest, FailedWriteKeepsTheOldFile) {
  TemporaryFolder folder;
  const std::string path = folder / "state";
  ASSERT_TRUE(WriteFileDurably(path, "old").ok());
  for (int call = 1; call <= 3; ++call) {  // write, fsync, rename
    fault = {call, ENOSPC, false};
    EXPECT_EQ(WriteFileDurably(path, "new").code(),
              absl::StatusCode::kResourceExhausted);
    fault = {};
    EXPECT_EQ(BytesOf(path), "old");
    EXPECT_FALSE(std::filesystem::exists(path + ".tmp"));
  }
}

TEST(KillTest, AtAnyCallOfAPublicationLeavesWholeVersions) {
  TemporaryFolder folder;
  const ModelStore store(folder.path());
  size_t whole = 0;
  int call = 1;
  for (; call < kTooMany; ++call) {
    const int end = EndOf(StartProcess([&] {
      fault = {call, 0, false};
      return store.Publish(ExampleManifest(), ExampleFiles()).ok() ? 0 : 1;
    }));
    if (end == 0) break;
    ASSERT_EQ(end, -SIGKILL);
    if (!store.List().ok()) continue;  // killed before there was a root
    const size_t now = CountWhole(store);
    EXPECT_GE(now, whole);
    EXPECT_LE(now, whole + 1);
    whole = now;
  }
  EXPECT_GT(call, 8);
  EXPECT_LT(call, kTooMany);
  const size_t before = whole + 1;
  EXPECT_EQ(CountWhole(store), before);
  ASSERT_TRUE(store.Publish(ExampleManifest(), ExampleFiles()).ok());
  EXPECT_EQ(CountWhole(store), before + 1);
}

TEST(KillTest, AtAnyMomentOfALoopLeavesWholeVersions) {
  TemporaryFolder folder;
  const ModelStore store(folder.path());
  std::mt19937 random(20240229);
  constexpr int kRounds = 15;
  uint64_t highest = 0;
  for (int round = 0; round < kRounds; ++round) {
    int pipe[2];
    ASSERT_EQ(::pipe(pipe), 0);
    const pid_t publisher = StartProcess([&] {
      while (store.Publish(ExampleManifest(), ExampleFiles()).ok()) {
        if (::write(pipe[1], "", 1) != 1) return 1;
      }
      return 2;
    });
    char byte;
    ASSERT_EQ(::read(pipe[0], &byte, 1), 1);
    ::usleep(random() % 3000);  // the moment of the kill
    ASSERT_EQ(::kill(publisher, SIGKILL), 0);
    EXPECT_EQ(EndOf(publisher), -SIGKILL);
    ::close(pipe[0]);
    ::close(pipe[1]);
    auto latest = store.LatestVersion("no-cat");
    ASSERT_TRUE(latest.ok()) << latest.status();
    EXPECT_GT(*latest, highest);
    highest = *latest;
  }
  EXPECT_EQ(CountWhole(store), highest);
}

TEST(KillTest, DurableFileIsOldOrNew) {
  TemporaryFolder folder;
  const std::string path = folder / "state";
  ASSERT_TRUE(WriteFileDurably(path, "old").ok());
  int call = 1;
  for (; call < kTooMany; ++call) {
    const int end = EndOf(StartProcess([&] {
      fault = {call, 0, false};
      return WriteFileDurably(path, "new").ok() ? 0 : 1;
    }));
    if (end == 0) break;
    ASSERT_EQ(end, -SIGKILL);
    // The rename is the third call and what decides.
    EXPECT_EQ(BytesOf(path), call <= 3 ? "old" : "new");
  }
  EXPECT_EQ(call, 5);
  EXPECT_EQ(BytesOf(path), "new");
}

// A file system of 64 KiB that only this process sees.
bool MountSmallDisk(const std::string& folder) {
  const int spaces = CLONE_NEWNS | (::geteuid() == 0 ? 0 : CLONE_NEWUSER);
  return ::unshare(spaces) == 0 &&
         ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         ::mount("tmpfs", folder.c_str(), "tmpfs", 0, "size=64k") == 0;
}

TEST(FullDiskTest, PublishAndCheckWritableSayResourceExhausted) {
  TemporaryFolder folder;
  const ModelStore store(folder.path());
  constexpr int kCannotMount = 77;
  const int end = EndOf(StartProcess([&] {
    if (!MountSmallDisk(folder.path())) return kCannotMount;
    if (!store.CheckWritable(16 << 10).ok()) return 1;
    if (!absl::IsResourceExhausted(store.CheckWritable(1 << 20))) return 2;
    if (!store.Publish(ExampleManifest(), ExampleFiles()).ok()) return 3;
    const auto big = store.Publish(ExampleManifest(),
                                   {{kWeightsFile, std::string(1 << 20, 'w')}});
    if (!absl::IsResourceExhausted(big.status())) return 4;
    if (CountWhole(store) != 1 || !StagingIsEmpty(store.root())) return 5;
    return store.Publish(ExampleManifest(), ExampleFiles()).ok() ? 0 : 6;
  }));
  if (end == kCannotMount) {
    GTEST_SKIP() << "no right to mount a small file system; "
                    "FaultTest covers the full disk without one";
  }
  EXPECT_EQ(end, 0);
}

}  // namespace
}  // namespace adv
