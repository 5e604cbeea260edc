#include "command_line/empty_value.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace adv {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string Error(std::vector<const char*> words) {
  words.insert(words.begin(), "program");
  return std::string(
      CheckNoEmptyValue(static_cast<int>(words.size()), words.data())
          .message());
}

TEST(EmptyValueTest, NamesTheFlag) {
  EXPECT_THAT(Error({"--state", ""}), StartsWith("--state: its value is"));
  EXPECT_THAT(Error({"--state="}), StartsWith("--state: its value is"));
  EXPECT_THAT(Error({"go", "--a=b", "--state=", "--insecure"}),
              StartsWith("--state: its value is empty; give one"));
}

TEST(EmptyValueTest, AWordOfItsOwnIsNotEmptyEither) {
  EXPECT_THAT(Error({"show", ""}), HasSubstr("is empty; leave it out"));
  EXPECT_THAT(Error({""}), HasSubstr("is empty"));
  EXPECT_THAT(Error({"--", ""}), HasSubstr("is empty; leave it out"));
}

TEST(EmptyValueTest, OtherWordsPass) {
  EXPECT_EQ(Error({}), "");
  EXPECT_EQ(Error({"a", "--b", "--c=d", "--e==f", "--g=h=", "x=", "=", "-"}),
            "");
  EXPECT_EQ(Error({"--", "--file="}), "");
}

}  // namespace
}  // namespace adv
