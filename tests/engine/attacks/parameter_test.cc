#include "engine/attacks/parameter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

namespace adv::parameter {
namespace {

using ::testing::ElementsAre;

enum class Colour { kRed, kBlue };

// One of each kind.
struct Everything {
  Count count{"count", 3, From(1, 10), "things"};
  OptionalCount optional_count{"optional_count", "as many as there are",
                               From(1, 10), "more things"};
  Number number{"number", 0.5, Above(0, 1), "a number"};
  Size size{"size", 0.25, Above(0, 1), "a length"};
  OptionalSize optional_size{"optional_size", "epsilon / 4", Above(0, 1000),
                             "another length"};
  Flag flag{"flag", true, "yes or no"};
  Choice<Colour> colour{"colour", Colour::kBlue, {"red", "blue"}, "of it"};
};

struct Single {
  Count count{"count", 3, From(0, 10), "things"};
};

// The names of what is visited.
template <typename Config>
std::vector<std::string> NamesIn(const Config& config) {
  std::vector<std::string> names;
  ForEach(config, [&names](const auto& described, const auto& /*value*/) {
    names.emplace_back(described.about().name);
  });
  return names;
}

TEST(ParameterTest, EachMemberIsVisitedInTurn) {
  EXPECT_THAT(NamesIn(Everything{}),
              ElementsAre("count", "optional_count", "number", "size",
                          "optional_size", "flag", "colour"));
  EXPECT_THAT(NamesIn(Single{}), ElementsAre("count"));
}

TEST(ParameterTest, ValuesAreThoseOfTheDeclarationUntilSet) {
  Everything config;
  EXPECT_EQ(config.count, 3);
  EXPECT_FALSE(config.optional_count);
  EXPECT_EQ(config.number, 0.5);
  EXPECT_EQ(config.size, 0.25);
  EXPECT_EQ(config.optional_size.value_or(2), 2);
  EXPECT_TRUE(config.flag);
  EXPECT_EQ(config.colour, Colour::kBlue);
  config.optional_count = 7;
  config.optional_size = 0.125;
  config.flag = false;
  config.colour = Colour::kRed;
  EXPECT_EQ(*config.optional_count, 7);
  EXPECT_EQ(config.optional_size.value_or(2), 0.125);
  EXPECT_FALSE(config.flag);
  EXPECT_EQ(config.colour, Colour::kRed);
}

// A config may be made of plain values, as {{}, 5}: they have no description.
TEST(ParameterTest, TheDescriptionIsThatOfTheDefaults) {
  const Single plain{7};
  ForEach(plain, [](const Count& described, const Count& value) {
    EXPECT_EQ(described.value(), 3);
    EXPECT_STREQ(described.about().name, "count");
    EXPECT_STREQ(described.about().help, "things");
    EXPECT_EQ(described.about().range.high, 10);
    EXPECT_EQ(value.value(), 7);
  });
}

TEST(ParameterTest, WhatIsVisitedCanBeWritten) {
  Single config;
  ForEach(config, [](const Count& described, Count& value) {
    value = described.value() + 1;
  });
  EXPECT_EQ(config.count, 4);
}

TEST(ParameterTest, TwoConfigsAreVisitedTogether) {
  int visits = 0;
  ForEach(Single{1}, Single{2},
          [&visits](const Count& described, const Count& a, const Count& b) {
            ++visits;
            EXPECT_EQ(described.value(), 3);
            EXPECT_EQ(a.value(), 1);
            EXPECT_EQ(b.value(), 2);
          });
  EXPECT_EQ(visits, 1);
}

TEST(RangeTest, KnowsItsEnds) {
  const Range closed = From(1, 10), open = Above(0, 1);
  EXPECT_TRUE(closed.Contains(1));
  EXPECT_TRUE(closed.Contains(10));
  EXPECT_FALSE(closed.Contains(0.99));
  EXPECT_FALSE(closed.Contains(10.01));
  EXPECT_FALSE(open.Contains(0));
  EXPECT_TRUE(open.Contains(std::numeric_limits<double>::denorm_min()));
  EXPECT_TRUE(open.Contains(1));
  for (const Range& range : {closed, open}) {
    EXPECT_FALSE(range.Contains(std::numeric_limits<double>::quiet_NaN()));
    EXPECT_FALSE(range.Contains(std::numeric_limits<double>::infinity()));
  }
}

TEST(RangeTest, IsToldInTwoWays) {
  EXPECT_EQ(From(1, 10000).Brackets(), "[1, 10000]");
  EXPECT_EQ(From(1, 10000).Words(), "1 to 10000");
  EXPECT_EQ(Above(0, 1e10).Brackets(), "(0, 1e+10]");
  EXPECT_EQ(Above(0, 1).Words(), "above 0, at most 1");
}

}  // namespace
}  // namespace adv::parameter
