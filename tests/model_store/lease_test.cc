#include "model_store/lease.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <fstream>
#include <memory>
#include <string>
#include <thread>

#include "model_store/durable_file.h"
#include "model_store/folder_lock.h"
#include "tests/model_store/test_store.h"

namespace adv {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr double kSeconds = 3600;  // no heartbeat falls into a test

std::string Message(const absl::Status& status) {
  return std::string(status.message());
}

// Moves the time at which a lease was last renewed.
void SetAge(const std::string& path, time_t seconds) {
  timespec times[2] = {};
  ASSERT_EQ(clock_gettime(CLOCK_REALTIME, &times[0]), 0);
  times[0].tv_sec -= seconds;
  times[1] = times[0];
  ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
}

time_t ModifiedAt(const std::string& path) {
  struct stat info = {};
  EXPECT_EQ(stat(path.c_str(), &info), 0);
  return info.st_mtim.tv_sec;
}

class LeaseTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<Lease>> Take(double seconds = kSeconds) {
    return Lease::Take(folder_.path(), "no-cat", seconds);
  }
  const std::string Path() { return folder_ / "no-cat.lease"; }
  // As if a process of another host held it.
  void WriteForeign(double seconds) {
    LeaseHolder other;
    other.token = "abc";
    other.process = {"elsewhere", "another boot", 7, 99};
    other.since = "2020-02-02T02:02:02Z";
    other.seconds = seconds;
    ASSERT_TRUE(WriteFileDurably(Path(), EncodeLease(other)).ok());
  }

  const TemporaryFolder folder_;
};

TEST_F(LeaseTest, SecondWorkerIsToldWhoHoldsIt) {
  const auto first = Take();
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_THAT((*first)->taken_over_from(), IsEmpty());
  const auto second = Take();
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Message(second.status()),
              AllOf(HasSubstr("leased by process " + std::to_string(getpid())),
                    HasSubstr("renewed 0 s ago")));
  EXPECT_TRUE(Lease::Take(folder_.path(), "no-dog", kSeconds).ok());
}

TEST_F(LeaseTest, IsFreeOnceGivenBack) {
  { ASSERT_TRUE(Take().ok()); }
  EXPECT_NE(access(Path().c_str(), F_OK), 0);
  EXPECT_TRUE(Take().ok());
}

TEST_F(LeaseTest, StaleOneIsTakenOverAndItsHolderNotices) {
  auto first = Take(60);
  ASSERT_TRUE(first.ok());
  SetAge(Path(), 59);
  EXPECT_FALSE(Take().ok());
  SetAge(Path(), 62);
  auto second = Take();
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_THAT((*second)->taken_over_from(), HasSubstr("renewed 62 s ago"));

  EXPECT_TRUE((*first)->Check().ok()) << "it cannot know yet";
  bool ran = false;
  const auto act = [&ran] {
    ran = true;
    return absl::OkStatus();
  };
  const absl::Status refused = (*first)->WhileHeld(act);
  EXPECT_EQ(refused.code(), absl::StatusCode::kAborted);
  EXPECT_THAT(Message(refused), HasSubstr("taken over by process"));
  EXPECT_FALSE(ran);
  EXPECT_EQ((*first)->Check(), refused);
  first->reset();  // gives back nothing that is not its own
  EXPECT_TRUE((*second)->WhileHeld(act).ok());
  EXPECT_TRUE(ran);
}

TEST_F(LeaseTest, RenewalKeepsItAndNoticesItsLoss) {
  const auto lease = Take(60);
  ASSERT_TRUE(lease.ok());
  SetAge(Path(), 1000);
  ASSERT_TRUE((*lease)->Renew().ok());
  EXPECT_EQ(Take().status().code(), absl::StatusCode::kUnavailable);
  WriteForeign(60);
  SetAge(Path(), 1000);
  const time_t before = ModifiedAt(Path());
  EXPECT_EQ((*lease)->Renew().code(), absl::StatusCode::kAborted);
  EXPECT_EQ(ModifiedAt(Path()), before) << "renewed another's lease";
  EXPECT_THAT(Message((*lease)->Check()),
              HasSubstr("taken over by process 7 on elsewhere since 2020-02"));
}

TEST_F(LeaseTest, RemovedFileIsALoss) {
  const auto lease = Take();
  ASSERT_TRUE(lease.ok());
  ASSERT_EQ(unlink(Path().c_str()), 0);
  EXPECT_EQ((*lease)->Renew().code(), absl::StatusCode::kAborted);
  EXPECT_THAT(Message((*lease)->Check()), HasSubstr("was removed"));
}

TEST_F(LeaseTest, HeartbeatRenewsOnItsOwn) {
  const auto lease = Take(0.003);
  ASSERT_TRUE(lease.ok());
  SetAge(Path(), 1000);
  const time_t old = ModifiedAt(Path());
  while (ModifiedAt(Path()) == old) std::this_thread::yield();
}

TEST_F(LeaseTest, HoldersOwnLengthDecides) {
  WriteForeign(/*seconds=*/600);
  SetAge(Path(), 500);
  EXPECT_FALSE(Take(/*seconds=*/10).ok());
  SetAge(Path(), 700);
  EXPECT_TRUE(Take(/*seconds=*/10000).ok());
}

TEST_F(LeaseTest, ATimeInTheFutureIsStaleToo) {
  WriteForeign(60);
  SetAge(Path(), -30);
  EXPECT_FALSE(Take().ok());
  SetAge(Path(), -100);
  EXPECT_TRUE(Take().ok());
}

TEST_F(LeaseTest, UnreadableOneBlocksUntilItIsStale) {
  std::ofstream(Path()) << "{\"token\": 5";
  const auto refused = Take(60);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Message(refused.status()), HasSubstr("cannot be read"));
  SetAge(Path(), 61);
  EXPECT_TRUE(Take(60).ok());
}

// The child takes the lease and is killed; nobody has waited for it yet.
TEST_F(LeaseTest, OneOfAKilledProcessOfThisHostIsTakenOverAtOnce) {
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    const auto lease = Take();
    const char byte = lease.ok() ? 'y' : 'n';
    if (write(ready[1], &byte, 1) == 1) pause();
    _exit(0);
  }
  char byte = 0;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  ASSERT_EQ(byte, 'y');
  EXPECT_EQ(Take().status().code(), absl::StatusCode::kUnavailable);
  ASSERT_EQ(kill(child, SIGKILL), 0);
  siginfo_t info;
  ASSERT_EQ(waitid(P_PID, child, &info, WEXITED | WNOWAIT), 0);
  {
    const auto lease = Take();
    ASSERT_TRUE(lease.ok()) << lease.status();
    EXPECT_THAT((*lease)->taken_over_from(), HasSubstr("which has ended"));
  }
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  close(ready[0]);
  close(ready[1]);
}

TEST_F(LeaseTest, ErrorsNameTheFile) {
  const auto missing = Lease::Take(folder_ / "nowhere", "no-cat", kSeconds);
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(Message(missing.status()), HasSubstr("nowhere/.lock"));
  ASSERT_EQ(mkdir(Path().c_str(), 0777), 0);
  EXPECT_THAT(Message(Take().status()), HasSubstr(Path()));
}

TEST(LeaseFileTest, ReadsBackWhatItWrote) {
  LeaseHolder holder;
  holder.token = "0123";
  holder.process = {"host \"quoted\"", "boot pid:[1]", 42, 1ull << 60};
  holder.since = "2026-01-01T00:00:00Z";
  holder.seconds = 12.5;
  const LeaseHolder back = DecodeLease(EncodeLease(holder));
  EXPECT_EQ(back.token, holder.token);
  EXPECT_EQ(back.process.host, holder.process.host);
  EXPECT_EQ(back.process.place, holder.process.place);
  EXPECT_EQ(back.process.pid, holder.process.pid);
  EXPECT_EQ(back.process.start, holder.process.start);
  EXPECT_EQ(back.since, holder.since);
  EXPECT_EQ(back.seconds, holder.seconds);
}

TEST(ProcessIdentityTest, KnowsTheLivingFromTheDead) {
  const ProcessIdentity self = IdentifyThisProcess();
  EXPECT_FALSE(HasEnded(self));
  ProcessIdentity earlier = self;  // whose pid this process was given
  earlier.start -= 1;
  EXPECT_TRUE(HasEnded(earlier));
  ProcessIdentity elsewhere = earlier;
  elsewhere.place += "0";
  EXPECT_FALSE(HasEnded(elsewhere));

  const pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  const ProcessIdentity living = IdentifyProcess(child);
  EXPECT_FALSE(HasEnded(living));
  ASSERT_EQ(kill(child, SIGKILL), 0);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  EXPECT_TRUE(HasEnded(living));
}

TEST(FolderLockTest, ExcludesUntilItsEnd) {
  const TemporaryFolder folder;
  absl::StatusOr<FolderLock> first = FolderLock::Acquire(folder.path());
  ASSERT_TRUE(first.ok());
  std::atomic<int> entered{0};
  std::thread second([&] {
    const auto lock = FolderLock::Acquire(folder.path());
    EXPECT_TRUE(lock.ok());
    EXPECT_EQ(entered, 1);
  });
  entered = 1;
  { const FolderLock end = *std::move(first); }
  second.join();
}

}  // namespace
}  // namespace adv
