// advctl server ready: a health check for scripts and containers.
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/cli_fixture.h"

namespace adv {
namespace {

using testing::FakeOptions;
using ::testing::HasSubstr;
using testing::Process;

TEST_F(CliTest, AHealthCheckIsAnExitStatus) {
  for (const std::vector<std::string>& about :
       {std::vector<std::string>{}, {"--model=no-cat"}}) {
    std::vector<std::string> command = {"server", "ready"};
    command.insert(command.end(), about.begin(), about.end());
    const Outcome ready = Run(command);
    EXPECT_EQ(ready.code, 0) << ready.err;
    EXPECT_EQ(ready.out, "ready\n");
  }
  const Outcome unknown = Run({"server", "ready", "--model=nobody"});
  EXPECT_EQ(unknown.code, 4);
  EXPECT_THAT(unknown.err, HasSubstr("no model \"nobody\""));
  const std::string address = server_->address();
  server_.reset();
  Process gone({Advctl(), "--server=" + address, "server", "ready"});
  EXPECT_EQ(gone.Wait(), 3);
}

TEST_F(CliTest, AServerThatIsNotReadyIsWaitedForAsLongAsOneSays) {
  FakeOptions options;
  options.ready = false;
  StartServer(options);
  const Outcome once = Run({"server", "ready"});
  EXPECT_EQ(once.code, 1);
  EXPECT_THAT(once.err, HasSubstr("not ready"));
  const Outcome waited =
      Run({"server", "ready", "--wait=0.5", "--verbose", "--model=no-cat"});
  EXPECT_EQ(waited.code, 1);
  // The lines of --verbose, and the last word.
  const std::vector<std::string> said =
      absl::StrSplit(waited.err, "\"no-cat\" is not ready");
  EXPECT_GT(said.size(), 2u);
  const Outcome wrong = Run({"server", "ready", "--wait=-1"});
  EXPECT_EQ(wrong.code, 2);
  EXPECT_THAT(wrong.err, HasSubstr("--wait"));
}

TEST_F(CliTest, AServerThatComesLaterIsWaitedFor) {
  // A port that nobody has any more.
  const std::string address = server_->address();
  server_.reset();
  Process process({Advctl(), "--server=" + address, "server", "ready",
                   "--wait=60", "--verbose"});
  ASSERT_TRUE(process.WaitForError("no server answers"));
  StartServer({}, address);
  EXPECT_EQ(process.Wait(), 0) << process.err();
}

}  // namespace
}  // namespace adv
