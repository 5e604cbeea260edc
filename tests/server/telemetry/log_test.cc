#include "server/telemetry/log.h"

#include <gmock/gmock.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

namespace adv {
namespace {

using ::testing::EndsWith;
using ::testing::MatchesRegex;

TEST(LogTest, TextIsKeyValueAndQuotesWhatWouldConfuse) {
  std::ostringstream out;
  Log(out, LogFormat::kText)
      .Warning("rpc", {{"code", "OK"},
                       {"seconds", .25},
                       {"message", "two words=\"x\"\n"},
                       {"empty", ""}});
  EXPECT_THAT(out.str(),
              MatchesRegex("time=[0-9-]+T[0-9:.]+Z level=warning event=rpc .*"
                           "\n"));
  EXPECT_THAT(out.str(), EndsWith(" code=OK seconds=0.25 message=\"two "
                                  "words=\\\"x\\\"\\n\" empty=\"\"\n"));
}

TEST(LogTest, JsonIsOneObjectALine) {
  std::ostringstream out;
  Log log(out, LogFormat::kJson);
  log.Error("odd", {{"bytes", std::string("\xff\"")},
                    {"count", 3},
                    {"value", std::numeric_limits<double>::quiet_NaN()}});
  const auto line = nlohmann::json::parse(out.str());
  EXPECT_EQ(line["level"], "error");
  EXPECT_EQ(line["event"], "odd");
  EXPECT_EQ(line["count"], 3);
  EXPECT_EQ(line["value"], "nan");
  EXPECT_EQ(out.str().find('\n'), out.str().size() - 1);
}

}  // namespace
}  // namespace adv
