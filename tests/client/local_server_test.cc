// --local: the private server is found, fed, and never left behind.
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/cli_fixture.h"

namespace adv {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Process;

using LocalServerTest = CliTest;

TEST_F(LocalServerTest, LocalStartsAPrivateServerAndEndsIt) {
  const std::string arguments = Path("arguments");
  const Outcome outcome = RunLocal(
      {"--store=/srv/models", "--dataset=full=/srv/cifar", "models", "list"},
      {{"FAKE_ADVSERVER_ARGS", arguments}});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("no-cat"));
  std::istringstream lines(Read(arguments));
  pid_t pid = 0;
  lines >> pid;
  EXPECT_NE(kill(pid, 0), 0) << "the private server still runs";
  std::vector<std::string> words((std::istream_iterator<std::string>(lines)),
                                 {});
  EXPECT_THAT(words, ElementsAre("--listen=127.0.0.1:0", "--state=:memory:",
                                 "--metrics-listen=off", "--store=/srv/models",
                                 "--dataset=full=/srv/cifar"));
  // Its log is gone, too.
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1);
}

TEST_F(LocalServerTest, LocalEvaluationBringsItsDataSet) {
  const std::string arguments = Path("arguments");
  const Outcome outcome =
      RunLocal({"evaluate", "--model=balanced", "--dataset=full=/srv/cifar"},
               {{"FAKE_ADVSERVER_ARGS", arguments}});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(Read(arguments), HasSubstr("--dataset=full=/srv/cifar\n"));
  // The private server is gone: nobody could be asked.
  EXPECT_THAT(outcome.out, HasSubstr("b01111111111"));
  EXPECT_THAT(outcome.out, Not(HasSubstr("advctl evaluations")));
}

TEST_F(LocalServerTest, TheWorkingDirectoryIsNotOnAnEmptyPath) {
  // A copy, so that no server stands beside it or in the build tree.
  fs::create_directories(Path("here"));
  fs::copy_file(Advctl(), Path("advctl"));
  fs::copy_file(FakeAdvserver(), Path("here/advserver"));
  const std::string run = "unset ADVCTL_ADVSERVER; cd " + Path("here") +
                          " && exec ../advctl --local models list";
  for (const char* path : {"", ":", ":/nowhere:"}) {
    Process process({"/bin/sh", "-c", run}, {{"PATH", path}});
    EXPECT_EQ(process.Wait(), 3) << path;
    EXPECT_THAT(process.err(), HasSubstr("cannot find the program advserver"));
  }
  Process named({"/bin/sh", "-c", run}, {{"PATH", "."}});
  EXPECT_EQ(named.Wait(), 0) << named.err();
}

TEST_F(LocalServerTest, LocalTellsWhyItCouldNotStart) {
  const Outcome outcome = RunLocal(
      {"models", "list"}, {{"FAKE_ADVSERVER_FAIL", "the store is broken"}});
  EXPECT_EQ(outcome.code, 3);
  EXPECT_THAT(outcome.err, HasSubstr("ended instead of listening"));
  EXPECT_THAT(outcome.err, HasSubstr("the store is broken"));
  EXPECT_THAT(outcome.err, HasSubstr("advserver-"));
  const Outcome missing = RunLocal({"models", "list"}, {});
  EXPECT_EQ(missing.code, 0);
  Process none({Advctl(), "--local", "models", "list"},
               {{"ADVCTL_ADVSERVER", Path("no-such-program")}});
  EXPECT_EQ(none.Wait(), 3);
  EXPECT_THAT(none.err(), HasSubstr("cannot find the program advserver"));
}

TEST_F(LocalServerTest, ThePrivateServerDiesWithAKilledAdvctl) {
  const std::string arguments = Path("arguments");
  Process process({Advctl(), "--local", "-v", "evaluate", "--model=balanced"},
                  {{"ADVCTL_ADVSERVER", FakeAdvserver()},
                   {"TMPDIR", folder_.string()},
                   {"FAKE_ADVSERVER_HOLD", "1"},
                   {"FAKE_ADVSERVER_ARGS", arguments}});
  ASSERT_TRUE(process.WaitForError("evaluation b01")) << process.err();
  const pid_t pid = std::stoi(Read(arguments));
  process.Signal(SIGKILL);
  EXPECT_EQ(process.Wait(), 128 + SIGKILL);
  // The kernel kills it; it is not our child, so all we can do is look.
  while (kill(pid, 0) == 0 &&
         Read("/proc/" + std::to_string(pid) + "/stat").find(") Z ") ==
             std::string::npos) {
    usleep(1000);
  }
}

}  // namespace
}  // namespace adv
