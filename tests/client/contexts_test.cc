// Names for servers: the file, and which source of an address counts.
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "client/contexts/access.h"
#include "client/contexts/resolve_access.h"
#include "client/contexts/saved_contexts.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/folder_fixture.h"

namespace adv {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

ServerAccess Lab() {
  ServerAccess lab;
  lab.server = "lab:1";
  lab.ca = "/ca";
  lab.token_file = "/token";
  return lab;
}

SavedContexts LabIsCurrent() {
  ServerAccess other;
  other.server = "other:1";
  other.certificate = "/certificate";
  return {"lab", {{"lab", Lab()}, {"other", other}}};
}

TEST(ResolveAccessTest, WithoutAnythingItIsThisMachine) {
  const auto access = ResolveAccess({}, {});
  ASSERT_TRUE(access.ok());
  EXPECT_EQ(access->server, "localhost:50051");
  EXPECT_FALSE(access->UsesTls());
}

TEST(ResolveAccessTest, TheCurrentContextCountsWithoutAnAddress) {
  AccessFlags flags;
  flags.given[FlagSource::kEnvironment].ca = "/mine";
  const auto access = ResolveAccess(flags, LabIsCurrent());
  ASSERT_TRUE(access.ok());
  EXPECT_EQ(access->server, "lab:1");
  EXPECT_EQ(access->ca, "/mine");
  EXPECT_EQ(access->token_file, "/token");
}

// A token must not go to an address that it was not meant for.
TEST(ResolveAccessTest, AnAddressAloneTakesNothingFromContexts) {
  for (const FlagSource source :
       {FlagSource::kFlagfile, FlagSource::kEnvironment,
        FlagSource::kCommandLine}) {
    AccessFlags flags;
    flags.given[source].server = "by-hand:1";
    flags.given[FlagSource::kFlagfile].ca = "/mine";
    const auto access = ResolveAccess(flags, LabIsCurrent());
    ASSERT_TRUE(access.ok());
    EXPECT_EQ(access->server, "by-hand:1");
    EXPECT_EQ(access->token_file, "");
    EXPECT_EQ(access->ca, "/mine");
  }
}

TEST(ResolveAccessTest, OfContextAndAddressTheStrongerSourceCounts) {
  AccessFlags flags;
  flags.given[FlagSource::kEnvironment].server = "by-hand:1";
  flags.given[FlagSource::kEnvironment].ca = "/mine";
  flags.context = "lab";
  flags.context_source = FlagSource::kCommandLine;
  auto access = ResolveAccess(flags, LabIsCurrent());
  ASSERT_TRUE(access.ok());
  EXPECT_EQ(access->server, "lab:1");
  EXPECT_EQ(access->ca, "/ca");

  flags.context_source = FlagSource::kFlagfile;
  access = ResolveAccess(flags, LabIsCurrent());
  ASSERT_TRUE(access.ok());
  EXPECT_EQ(access->server, "by-hand:1");
  EXPECT_EQ(access->token_file, "");
}

TEST(ResolveAccessTest, SaidInOnePlaceTheyGoTogether) {
  AccessFlags flags;
  flags.given[FlagSource::kCommandLine].server = "by-hand:1";
  flags.context = "lab";
  flags.context_source = FlagSource::kCommandLine;
  const auto access = ResolveAccess(flags, LabIsCurrent());
  ASSERT_TRUE(access.ok());
  EXPECT_EQ(access->server, "by-hand:1");
  EXPECT_EQ(access->ca, "/ca");
  EXPECT_EQ(access->token_file, "/token");
}

TEST(ResolveAccessTest, AnUnknownContextIsNamedWithTheKnown) {
  AccessFlags flags;
  flags.context = "lub";
  flags.context_source = FlagSource::kCommandLine;
  EXPECT_EQ(ResolveAccess(flags, LabIsCurrent()).status().message(),
            "there is no context 'lub'; known are: lab, other");
  EXPECT_THAT(std::string(ResolveAccess(flags, {}).status().message()),
              HasSubstr("advctl context add NAME"));
}

TEST(AbsoluteTest, PathsAreAbsoluteAndAddressesStay) {
  ServerAccess access;
  access.server = "unix:a/../b";
  access.ca = "c";
  access.key = "/d";
  access.server_name = "e";
  access = Absolute(access);
  const std::string here = std::filesystem::current_path().string();
  EXPECT_EQ(access.server, "unix:" + here + "/b");
  EXPECT_EQ(access.ca, here + "/c");
  EXPECT_EQ(access.key, "/d");
  EXPECT_EQ(access.certificate, "");
  EXPECT_EQ(access.server_name, "e");
}

TEST(ContextsTextTest, IsReadAsItWasWritten) {
  SavedContexts contexts = LabIsCurrent();
  contexts.by_name["lab"].tls = true;
  contexts.by_name["lab"].server_name = "ünï \"\\\n";
  const auto read = ParseContexts(ContextsText(contexts));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->current, "lab");
  EXPECT_EQ(ContextsText(*read), ContextsText(contexts));
  EXPECT_EQ(ContextsText(*ParseContexts(ContextsText({}))), ContextsText({}));
}

TEST(ContextsTextTest, EveryDamageIsNamedWithItsPlace) {
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"", "line 1, column 1"},
      {"{\n  \"schema\": 1,\n}", "line 3, column 1"},
      {"[]", "the file: must be an object"},
      {"{}", "schema: must be a number"},
      {R"({"schema": "1"})", "schema: must be a number"},
      {R"({"schema": -1})", "schema: must be a number"},
      {R"({"schema": 2})", "schema: is 2, and this version of advctl knows 1"},
      {R"({"schema": 1, "more": 1})", "more: is not known"},
      {R"({"schema": 1, "current": 1})", "current: must be a text"},
      {R"({"schema": 1, "current": "a"})", "current: there is no context 'a'"},
      {R"({"schema": 1, "contexts": []})", "contexts: must be an object"},
      {R"({"schema": 1, "contexts": {"a": 1}})",
       "contexts.a: must be an object"},
      {R"({"schema": 1, "contexts": {"a": {}}})", "contexts.a: has no server"},
      {R"({"schema": 1, "contexts": {"": {}}})",
       "contexts: '' is not a name of a context"},
      {R"({"schema": 1, "contexts": {"a": {"server": 1}}})",
       "contexts.a.server: must be a text"},
      {R"({"schema": 1, "contexts": {"a": {"server": ""}}})",
       "contexts.a.server: must be a text that is not empty"},
      {R"({"schema": 1, "contexts": {"a": {"server": "b", "tls": "yes"}}})",
       "contexts.a.tls: must be true or false"},
      {R"({"schema": 1, "contexts": {"a": {"server": "b", "token": "c"}}})",
       "contexts.a.token: is not known to this version"}};
  for (const auto& [text, message] : wrong) {
    const auto read = ParseContexts(text);
    EXPECT_EQ(read.status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(read.status().message()), HasSubstr(message));
  }
}

TEST(ContextNameTest, IsOneThatShellsLeaveAlone) {
  for (const char* good : {"a", "1", "gpu-1", "a.b_C"}) {
    EXPECT_TRUE(CheckContextName(good).ok()) << good;
  }
  for (const std::string& wrong : std::vector<std::string>{
           "", "-a", ".a", "a b", "a/b", "ä", "a\n", std::string(64, 'a')}) {
    EXPECT_TRUE(absl::IsInvalidArgument(CheckContextName(wrong))) << wrong;
  }
}

class ContextsFileTest : public FolderTest {
 protected:
  void SetUp() override {
    FolderTest::SetUp();
    for (const char* name : {"ADVCTL_CONFIG", "XDG_CONFIG_HOME", "HOME"}) {
      const char* const value = std::getenv(name);
      before_.emplace_back(name, value == nullptr ? "" : value);
      unsetenv(name);
    }
  }
  void TearDown() override {
    for (const auto& [name, value] : before_) {
      unsetenv(name.c_str());
      if (!value.empty()) setenv(name.c_str(), value.c_str(), 1);
    }
    FolderTest::TearDown();
  }

  void Set(const char* name, const std::string& value) {
    setenv(name, value.c_str(), 1);
  }

  std::vector<std::pair<std::string, std::string>> before_;
};

TEST_F(ContextsFileTest, LiesWhereTheStandardSays) {
  EXPECT_THAT(std::string(ContextsPath().status().message()),
              HasSubstr("set HOME, XDG_CONFIG_HOME or ADVCTL_CONFIG"));
  Set("HOME", "/home/ada");
  EXPECT_EQ(*ContextsPath(), "/home/ada/.config/adv/contexts.json");
  Set("XDG_CONFIG_HOME", "relative");
  EXPECT_EQ(*ContextsPath(), "/home/ada/.config/adv/contexts.json");
  Set("XDG_CONFIG_HOME", "/config");
  EXPECT_EQ(*ContextsPath(), "/config/adv/contexts.json");
  Set("ADVCTL_CONFIG", "/elsewhere");
  EXPECT_EQ(*ContextsPath(), "/elsewhere");
}

TEST_F(ContextsFileTest, AppearsWholeAndForItsOwnerAlone) {
  Set("HOME", folder_.string());
  ASSERT_TRUE(ReadContexts().ok());
  EXPECT_TRUE(ReadContexts()->by_name.empty());
  ASSERT_TRUE(WriteContexts(LabIsCurrent()).ok());
  const std::string path = Path(".config/adv/contexts.json");
  struct stat info;
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
  EXPECT_EQ(Read(path), ContextsText(LabIsCurrent()));
  EXPECT_EQ(ReadContexts()->by_name.at("lab").ca, "/ca");
  const auto files = std::filesystem::directory_iterator(
      std::filesystem::path(path).parent_path());
  EXPECT_EQ(std::distance(files, {}), 1);
}

TEST_F(ContextsFileTest, ErrorsNameIt) {
  Set("ADVCTL_CONFIG", Path("file"));
  std::ofstream(Path("file")) << "{";
  EXPECT_THAT(std::string(ReadContexts().status().message()),
              StartsWith(Path("file") + ": "));
  std::ofstream(Path("file"));  // empties it
  EXPECT_THAT(std::string(ReadContexts().status().message()),
              HasSubstr("line 1, column 1"));
  Set("ADVCTL_CONFIG", folder_.string());
  EXPECT_EQ(ReadContexts().status().message(),
            folder_.string() + ": cannot be read: Is a directory");
  EXPECT_FALSE(WriteContexts({}).ok());
  Set("ADVCTL_CONFIG", Path("file") + "/below");
  EXPECT_FALSE(ReadContexts().ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(WriteContexts({})));
}

}  // namespace
}  // namespace adv
