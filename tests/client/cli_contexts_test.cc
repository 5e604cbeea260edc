// The real program: contexts, and options from the environment and flagfiles.
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/client/cli_fixture.h"

namespace adv {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class ContextsTest : public CliTest {
 protected:
  // Without --server, which the fixture's Run() gives.
  Outcome Advctl(std::vector<std::string> arguments,
                 const testing::Environment& environment = {}) {
    arguments.insert(arguments.begin(), adv::Advctl());
    testing::Process process(arguments, environment);
    const int code = process.Wait();
    return {code, process.out(), process.err()};
  }

  // "here" is the fake server, "gone" nobody.
  void AddBoth() {
    ASSERT_EQ(
        Advctl({"context", "add", "here", "--server=" + server_->address()})
            .code,
        0);
    ASSERT_EQ(Advctl({"--server=127.0.0.1:1", "context", "add", "gone"}).code,
              0);
  }

  std::string Write(const std::string& name, const std::string& text) {
    std::ofstream(Path(name)) << text;
    return Path(name);
  }
};

TEST_F(ContextsTest, AreAddedChosenListedAndRemoved) {
  EXPECT_THAT(Advctl({"context", "list"}).out, StartsWith("There are no cont"));
  AddBoth();
  struct stat info;
  ASSERT_EQ(stat(Path("contexts.json").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
  const Outcome used = Advctl({"context", "use", "here"});
  EXPECT_EQ(used.out, "Now using here (" + server_->address() + ").\n");
  EXPECT_THAT(Advctl({"context", "list"}).out,
              AllOf(HasSubstr("▶ here"), HasSubstr("  gone")));
  EXPECT_EQ(Advctl({"context", "list", "--output=csv"}).out,
            "name,current,server,ca,certificate,key,token_file,server_name,"
            "tls\n"
            "gone,false,127.0.0.1:1,,,,,,false\n"
            "here,true," +
                server_->address() + ",,,,,,false\n");
  const auto list =
      nlohmann::json::parse(Advctl({"context", "list", "--output=json"}).out);
  EXPECT_EQ(list["contexts"][1]["name"], "here");
  EXPECT_EQ(list["contexts"][1]["current"], true);
  EXPECT_THAT(Advctl({"context", "show"}).out, HasSubstr("here (current)"));
  EXPECT_THAT(Advctl({"context", "show", "gone"}).out,
              HasSubstr("127.0.0.1:1"));
  const auto shown =
      nlohmann::json::parse(Advctl({"context", "show", "--output=json"}).out);
  EXPECT_EQ(shown["server"], server_->address());
  EXPECT_EQ(Advctl({"context", "remove", "here"}).out,
            "Removed here. It was the current one; now none is.\n");
  EXPECT_EQ(Advctl({"context", "show"}).code, 2);
  EXPECT_EQ(Advctl({"context", "use", "here"}).code, 2);
}

TEST_F(ContextsTest, TheStrongestNamesTheServer) {
  AddBoth();
  ASSERT_EQ(Advctl({"context", "use", "gone"}).code, 0);
  const std::vector<std::string> list = {"models", "list"};
  EXPECT_EQ(Advctl(list).code, 3);
  EXPECT_EQ(Advctl({"--context=here", "models", "list"}).code, 0);
  EXPECT_EQ(Advctl(list, {{"ADVCTL_CONTEXT", "here"}}).code, 0);
  EXPECT_EQ(Advctl(list, {{"ADVCTL_SERVER", server_->address()}}).code, 0);
  EXPECT_EQ(Advctl({"models", "list", "--context=gone"},
                   {{"ADVCTL_SERVER", server_->address()}})
                .code,
            3);
  EXPECT_EQ(Run(list).code, 0);
  const std::string flags = "--flagfile=" + Write("flags", "--context=here\n");
  EXPECT_EQ(Advctl({"models", "list", flags}).code, 0);
  EXPECT_EQ(
      Advctl({"models", "list", flags}, {{"ADVCTL_CONTEXT", "gone"}}).code, 3);
}

TEST_F(ContextsTest, APrivateServerNeedsNone) {
  Write("contexts.json", "damaged");
  EXPECT_EQ(RunLocal({"models", "list"}, {{"ADVCTL_CONTEXT", "none"},
                                          {"ADVCTL_CA", "/no/such"},
                                          {"ADV_LISTEN", "127.0.0.1:1"}})
                .code,
            0);
  for (const char* option : {"--context=a", "--tls", "--ca=a", "--token-file=a",
                             "--server-name=a"}) {
    const Outcome outcome = RunLocal({"models", "list", option});
    EXPECT_EQ(outcome.code, 2);
    EXPECT_THAT(outcome.err, HasSubstr("--local starts a private server"));
  }
}

TEST_F(ContextsTest, NothingWrongIsKept) {
  const std::string token = Write("token", "secret\n");
  const std::string empty = Write("empty", " \n");
  const std::string words = Write("words", "two words\n");
  const std::vector<std::pair<std::vector<std::string>, std::string>> wrong = {
      {{"add", "a"}, "--server is required"},
      {{"add", "a b", "--server=h"}, "NAME: 'a b' is not a name"},
      {{"add", "a", "--server=h:x"}, "--server: 'h:x'"},
      {{"add", "a", "--server=h", "--ca=/no/such"},
       "--ca: /no/such cannot be read: No such file"},
      {{"add", "a", "--server=h", "--ca=" + token},
       token + " holds no certificate in PEM"},
      {{"add", "a", "--server=h", "--key=" + token}, "go together: give both"},
      {{"add", "a", "--server=h", "--certificate=" + token}, "give both"},
      {{"add", "a", "--server=h", "--token-file=" + token},
       "a token goes to another machine only over TLS"},
      {{"add", "a", "--server=h", "--tls", "--token-file=" + empty},
       empty + " holds no token"},
      {{"add", "a", "--server=h", "--tls", "--token-file=" + words},
       words + " holds no token"},
      {{"add", "a", "--server=127.0.0.1,127.0.0.2", "--tls"},
       "--server-name: several addresses with TLS need it"},
      {{"use", "a"}, "there is no context 'a'; advctl context add NAME"},
      {{"show", "a"}, "there is no context 'a'"},
      {{"remove", "a"}, "there is no context 'a'"},
      {{"show"}, "no context is current"}};
  for (auto [arguments, message] : wrong) {
    arguments.insert(arguments.begin(), "context");
    const Outcome outcome = Advctl(arguments);
    EXPECT_EQ(outcome.code, 2) << message;
    EXPECT_THAT(outcome.err, HasSubstr(message));
    EXPECT_EQ(outcome.out, "");
  }
  EXPECT_FALSE(std::filesystem::exists(Path("contexts.json")));
}

TEST_F(ContextsTest, AnotherOfANameIsRefusedUnlessAsked) {
  AddBoth();
  const Outcome again =
      Advctl({"context", "add", "gone", "--server=127.0.0.1:2"});
  EXPECT_EQ(again.code, 2);
  EXPECT_THAT(again.err, HasSubstr("there is a context 'gone' already"));
  EXPECT_EQ(
      Advctl({"context", "add", "gone", "--server=127.0.0.1:2", "--replace"})
          .code,
      0);
  EXPECT_THAT(Advctl({"context", "show", "gone"}).out,
              HasSubstr("127.0.0.1:2"));
}

TEST_F(ContextsTest, WhatTheEnvironmentSaysIsNotKept) {
  const std::string token = Write("token", "secret\n");
  EXPECT_EQ(Advctl({"context", "add", "a"}, {{"ADVCTL_SERVER", "h"}}).code, 2);
  const Outcome outcome =
      Advctl({"context", "add", "a", "--server=127.0.0.1:1"},
             {{"ADVCTL_TOKEN_FILE", token}});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_THAT(Read(Path("contexts.json")), Not(HasSubstr("token")));
}

TEST_F(ContextsTest, DamageIsNamedAndKept) {
  Write("contexts.json", "{\"schema\": 2}");
  for (const std::vector<std::string>& command :
       std::vector<std::vector<std::string>>{
           {"models", "list"},
           {"context", "list"},
           {"context", "add", "a", "--server=127.0.0.1:1"}}) {
    const Outcome outcome = Advctl(command);
    EXPECT_EQ(outcome.code, 1);
    EXPECT_THAT(outcome.err,
                AllOf(HasSubstr(Path("contexts.json") + ": schema: is 2"),
                      HasSubstr("use a newer one")));
  }
  EXPECT_EQ(Read(Path("contexts.json")), "{\"schema\": 2}");
  // An address alone needs no contexts.
  EXPECT_EQ(Run({"models", "list"}).code, 0);
}

TEST_F(ContextsTest, OptionsComeFromTheEnvironment) {
  const testing::Environment csv = {{"ADVCTL_OUTPUT", "csv"},
                                    {"ADVCTL_SERVER", server_->address()}};
  EXPECT_THAT(Advctl({"models", "list"}, csv).out, StartsWith("model,"));
  EXPECT_THAT(Advctl({"models", "list", "--output=json"}, csv).out,
              StartsWith("{"));
  const Outcome wrong = Advctl({"models", "list"}, {{"ADVCTL_TIMEOUT", "0"}});
  EXPECT_EQ(wrong.code, 2);
  EXPECT_THAT(wrong.err,
              StartsWith("advctl: ADVCTL_TIMEOUT: '0' is not a tim"));
  EXPECT_EQ(Advctl({"--help"}, {{"ADVCTL_TIMEOUT", "0"}}).code, 0);
  // What is for --local alone may be there for other calls.
  EXPECT_EQ(Advctl({"models", "list"}, {{"ADVCTL_SERVER", server_->address()},
                                        {"ADVCTL_STORE", "/store"}})
                .code,
            0);
}

TEST_F(ContextsTest, FlagfilesHoldFlagsOfCommandsToo) {
  const std::string flags =
      Write("flags", "--server=" + server_->address() +
                         "\n--model=no-cat\n--samples=7\n--attack=fgsm\n");
  const Outcome outcome = Advctl(
      {"evaluate", "--no-compare", "--samples=9", "--flagfile=" + flags});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  ASSERT_EQ(server_->log().evaluations.size(), 1U);
  const v1::EvaluationSpec spec = server_->log().evaluations[0].spec();
  EXPECT_EQ(spec.model(), "no-cat");
  EXPECT_EQ(spec.samples(), 9U);
  const Outcome wrong = Advctl({"models", "list", "--flagfile=" + flags});
  EXPECT_EQ(wrong.code, 2);
  EXPECT_THAT(wrong.err, HasSubstr(flags + ":2: there is no flag --model"));
}

}  // namespace
}  // namespace adv
