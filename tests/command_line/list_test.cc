#include "command_line/list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace adv {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

struct Parsed {
  std::vector<std::string> list = {"default"};
  std::string error;
};

Parsed Parse(std::vector<std::string> words) {
  Parsed parsed;
  CLI::App app;
  AddList(&app, "--names", &parsed.list, "");
  std::reverse(words.begin(), words.end());  // as CLI11 wants them
  try {
    app.parse(std::move(words));
  } catch (const CLI::ParseError& error) {
    parsed.error = error.what();
  }
  return parsed;
}

TEST(ListTest, HasCommasBetweenAndBlanksAnywhere) {
  EXPECT_THAT(Parse({}).list, ElementsAre("default"));
  EXPECT_THAT(Parse({"--names=a"}).list, ElementsAre("a"));
  EXPECT_THAT(Parse({"--names", " a ,b\t,  c"}).list,
              ElementsAre("a", "b", "c"));
  EXPECT_THAT(Parse({"--names=a", "--names=b,c"}).list,
              ElementsAre("a", "b", "c"));
  EXPECT_THAT(Parse({"--names", "a,", "b"}).error, HasSubstr("empty member"));
}

TEST(ListTest, OfMembersThatAreThereTwiceTheFirstCounts) {
  EXPECT_THAT(Parse({"--names=b,a,b", "--names", " a"}).list,
              ElementsAre("b", "a"));
}

TEST(ListTest, NoMemberIsEmpty) {
  for (const char* wrong : {"a,,b", ",a", "a,", ",", " ", "a, ,b"}) {
    const Parsed parsed = Parse({"--names", wrong});
    EXPECT_THAT(parsed.error, StartsWith("--names: '")) << wrong;
    EXPECT_THAT(parsed.error, HasSubstr("empty member; write A,B,C"));
  }
}

TEST(ListTest, BracesAreNoList) {
  EXPECT_THAT(Parse({"--names={}"}).list, ElementsAre("{}"));
}

}  // namespace
}  // namespace adv
