#include "command_line/flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "command_line/list.h"

namespace adv {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// A program with one flag of each kind, and a command.
struct Program {
  CLI::App app{"", "program"};
  std::string data;
  int workers = 1;
  std::vector<std::string> stores = {"default"};
  std::vector<std::string> models;
  bool insecure = false;
  bool flips = false;
  std::string listen = "here";
  int port = -1;
  std::string model;
  CLI::Option* workers_option;

  Program() {
    app.set_version_flag("--version", "7");
    app.add_option("--data-folder", data)->required();
    workers_option =
        app.add_option("--workers", workers)->check(CLI::Range(0, 9));
    app.add_option("--store", stores)->allow_extra_args(false);
    AddList(&app, "--models", &models, "")->allow_extra_args(false);
    app.add_flag("-i,--insecure", insecure);
    app.add_flag_function("--flips,!--no-flips",
                          [this](int64_t count) { flips = count > 0; });
    CLI::Option* address = app.add_option("--listen", listen);
    app.add_option("--port", port)->excludes(address);
    app.fallthrough();
    app.add_subcommand("show")->add_option("--model", model)->required();
  }
};

class FlagsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "adv-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    Set("DATA_FOLDER", "data");
  }

  void TearDown() override {
    for (const std::string& name : variables_) unsetenv(name.c_str());
    std::filesystem::remove_all(folder_);
  }

  void Set(const std::string& name, const std::string& value) {
    variables_.push_back("TEST_" + name);
    setenv(variables_.back().c_str(), value.c_str(), 1);
  }

  // The path of a new file.
  std::string Write(const std::string& name, const std::string& text) {
    const std::string path = (folder_ / name).string();
    std::ofstream(path) << text;
    return path;
  }

  FlagSources Parse(Program* program, std::vector<std::string> words) {
    std::vector<const char*> argv = {"program"};
    for (const std::string& word : words) argv.push_back(word.c_str());
    return ParseFlags(&program->app, "TEST_", "Options",
                      static_cast<int>(argv.size()), argv.data());
  }

  // What is wrong with a command line; empty if nothing is.
  std::string Error(const std::vector<std::string>& words) {
    Program program;
    try {
      Parse(&program, words);
    } catch (const CLI::ParseError& error) {
      return error.what();
    }
    return "";
  }

  std::filesystem::path folder_;
  std::vector<std::string> variables_;
};

TEST_F(FlagsTest, EveryFlagHasAVariable) {
  Set("WORKERS", "3");
  Set("STORE", "a b\n /c,d \n\n");
  Set("MODELS", "x,y\nz");
  Set("INSECURE", "1");
  Set("NO_FLIPS", "false");
  Set("LISTEN", " as it is ");
  Program program;
  Parse(&program, {});
  EXPECT_EQ(program.data, "data");
  EXPECT_EQ(program.workers, 3);
  EXPECT_THAT(program.stores, ElementsAre("a b", "/c,d"));
  EXPECT_THAT(program.models, ElementsAre("x", "y", "z"));
  EXPECT_TRUE(program.insecure);
  EXPECT_TRUE(program.flips);
  EXPECT_EQ(program.listen, " as it is ");
}

TEST_F(FlagsTest, AFlagIsSwitchedOffToo) {
  for (const char* off : {"false", "0", "no"}) {
    Set("INSECURE", off);
    Program program;
    program.insecure = true;
    Parse(&program, {});
    EXPECT_FALSE(program.insecure) << off;
  }
}

TEST_F(FlagsTest, AnEmptyVariableIsNotSet) {
  for (const char* name : {"WORKERS", "STORE", "INSECURE", "FLAGFILE"}) {
    Set(name, "");
  }
  Program program;
  Parse(&program, {});
  EXPECT_EQ(program.workers, 1);
  EXPECT_THAT(program.stores, ElementsAre("default"));
  Set("DATA_FOLDER", "");
  EXPECT_EQ(Error({}), "--data-folder is required");
}

TEST_F(FlagsTest, CommandLineThenEnvironmentThenLaterFlagfile) {
  const std::string first = Write("first",
                                  "# a comment\n"
                                  "\n"
                                  "  --workers=5  \r\n"
                                  "--store=f\n"
                                  "--store=g\n"
                                  "--listen=a = b # c\n"
                                  "--insecure\n"
                                  "--no-flips\n");
  const std::string second = Write("second", "--listen=second\n--store=s");
  {
    Program program;
    Parse(&program, {"--flagfile=" + first});
    EXPECT_EQ(program.workers, 5);
    EXPECT_THAT(program.stores, ElementsAre("f", "g"));
    EXPECT_EQ(program.listen, "a = b # c");
    EXPECT_TRUE(program.insecure);
    EXPECT_FALSE(program.flips);
  }
  Set("WORKERS", "6");
  {
    Program program;
    const FlagSources sources =
        Parse(&program, {"--flagfile=" + first, "--flagfile=" + second});
    EXPECT_EQ(program.workers, 6);
    EXPECT_EQ(SourceOf(sources, program.workers_option),
              FlagSource::kEnvironment);
    EXPECT_THAT(program.stores, ElementsAre("s"));
    EXPECT_EQ(program.listen, "second");
  }
  {
    Program program;
    const FlagSources sources =
        Parse(&program, {"--flagfile=" + first, "--workers", "7", "--store=c"});
    EXPECT_EQ(program.workers, 7);
    EXPECT_EQ(SourceOf(sources, program.workers_option),
              FlagSource::kCommandLine);
    EXPECT_THAT(program.stores, ElementsAre("c"));
    EXPECT_EQ(program.listen, "a = b # c");
  }
}

TEST_F(FlagsTest, TheEnvironmentNamesFlagfilesToo) {
  Set("FLAGFILE", Write("a", "--workers=2") + "\n" + Write("b", "--port=3"));
  Program program;
  EXPECT_EQ(SourceOf(Parse(&program, {}), program.workers_option),
            FlagSource::kFlagfile);
  EXPECT_EQ(program.workers, 2);
  EXPECT_EQ(program.port, 3);
  Program other;
  EXPECT_EQ(SourceOf(Parse(&other, {"--flagfile=" + Write("c", "")}),
                     other.workers_option),
            FlagSource::kDefault);
}

TEST_F(FlagsTest, WhatIsOverruledIsNotLookedAt) {
  Set("WORKERS", "many");
  Program program;
  Parse(&program, {"--workers=2"});
  EXPECT_EQ(program.workers, 2);
}

TEST_F(FlagsTest, FlagsThatExcludeEachOtherCountAsOne) {
  Set("PORT", "5");
  Program program;
  Parse(&program, {"--listen=there"});
  EXPECT_EQ(program.listen, "there");
  EXPECT_EQ(program.port, -1);
  Program other;
  Parse(&other, {"--flagfile=" + Write("a", "--listen=there")});
  EXPECT_EQ(other.listen, "here");
  EXPECT_EQ(other.port, 5);
  Set("LISTEN", "there");
  EXPECT_THAT(Error({}), HasSubstr("excludes"));
}

TEST_F(FlagsTest, CommandsTakeTheirFlagsFromFlagfilesAlone) {
  Set("MODEL", "of the environment");
  EXPECT_EQ(Error({"show"}), "--model is required");
  const std::string path = Write("a", "--model=m\n--workers=4");
  Program program;
  Parse(&program, {"show", "--flagfile=" + path});
  EXPECT_EQ(program.model, "m");
  EXPECT_EQ(program.workers, 4);
  EXPECT_EQ(Error({"--flagfile=" + path}),
            path + ":1: there is no flag --model; a line is --NAME=VALUE");
}

TEST_F(FlagsTest, ErrorsNameTheVariable) {
  Set("WORKERS", "10");
  EXPECT_THAT(Error({}), StartsWith("TEST_WORKERS: Value 10 not in range"));
  Set("WORKERS", "x");
  EXPECT_THAT(Error({}), HasSubstr("TEST_WORKERS"));
  Set("WORKERS", "");
  Set("INSECURE", "perhaps");
  EXPECT_EQ(Error({}),
            "TEST_INSECURE: 'perhaps' is neither true nor false, which are "
            "allowed");
  Set("INSECURE", "");
  Set("MODELS", "a,,b");
  EXPECT_THAT(Error({}), StartsWith("TEST_MODELS: 'a,,b' has an empty"));
}

TEST_F(FlagsTest, ErrorsNameTheLine) {
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"\n--workers=10", ":2: Value 10 not in range"},
      {"--worker=1", ":1: there is no flag --worker; a line is"},
      {"--workers 1", ":1: there is no flag --workers 1; a line is"},
      {"workers=1", ":1: 'workers=1' is not --NAME=VALUE"},
      {"-i", ":1: '-i' is not --NAME=VALUE"},
      {"--", ":1: '--' is not --NAME=VALUE"},
      {"--=x", ":1: '--=x' is not --NAME=VALUE"},
      {"--listen", ":1: --listen needs a value: --listen=VALUE"},
      {"--listen=", ":1: --listen: its value is empty"},
      {"--insecure=x", ":1: 'x' is neither true nor false"},
      {"--help", ":1: there is no flag --help"},
      {"--version", ":1: there is no flag --version"},
      {"--flagfile=b", ":1: a flagfile cannot name another one"},
      {"#\n--workers=1\n--workers=2", ":3: --workers stands at "}};
  for (const auto& [text, message] : wrong) {
    const std::string path = Write("wrong", text);
    EXPECT_THAT(Error({"--flagfile", path}), StartsWith(path + message));
  }
}

TEST_F(FlagsTest, AFlagfileMustBeReadable) {
  EXPECT_EQ(Error({"--flagfile=/no/such"}),
            "--flagfile: /no/such cannot be read: No such file or directory");
  EXPECT_THAT(Error({"--flagfile=" + folder_.string()}),
              HasSubstr("cannot be read: Is a directory"));
}

TEST_F(FlagsTest, HelpComesWhateverTheEnvironmentSays) {
  Set("WORKERS", "x");
  Program program;
  EXPECT_THROW(Parse(&program, {"--help"}), CLI::CallForHelp);
  Program other;
  EXPECT_THROW(Parse(&other, {"--version"}), CLI::CallForVersion);
  EXPECT_THAT(other.app.help(), HasSubstr("TEST_FLAGFILE"));
}

TEST_F(FlagsTest, TheCommandLinesOwnErrorsStay) {
  Set("WORKERS", "2");
  EXPECT_THAT(Error({"--nonsense"}), HasSubstr("--nonsense"));
  EXPECT_THAT(Error({"--port=x"}), HasSubstr("--port"));
  EXPECT_THAT(Error({"--listen=a", "--port=1"}), HasSubstr("excludes"));
}

}  // namespace
}  // namespace adv
