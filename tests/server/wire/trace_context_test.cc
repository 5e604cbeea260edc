#include "server/wire/trace_context.h"

#include <gtest/gtest.h>

#include <string>

namespace adv {
namespace {

constexpr char kTraceId[] = "0af7651916cd43dd8448eb211c80319c";

TEST(TraceContextTest, ReadsTheTraceId) {
  for (const char* traceparent :
       {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ff",
        // Later versions.
        "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what"}) {
    EXPECT_EQ(TraceIdOf(traceparent), kTraceId) << traceparent;
  }
}

TEST(TraceContextTest, IgnoresWhatIsMalformed) {
  const std::string good =
      "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  for (size_t length = 0; length < good.size(); ++length) {
    EXPECT_EQ(TraceIdOf(good.substr(0, length)), "") << length;
  }
  for (size_t i = 0; i < good.size(); ++i) {
    for (const char wrong : {'g', 'A', ' ', '\n', '\0', '\xff'}) {
      std::string changed = good;
      changed[i] = wrong;
      EXPECT_EQ(TraceIdOf(changed), "") << i << changed;
    }
  }
  for (const char* traceparent :
       {"ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what",
        "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01what",
        "00-0af7651916cd43dd8448eb211c80319-cb7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c8031-c-b7ad6b7169203331-01"}) {
    EXPECT_EQ(TraceIdOf(traceparent), "") << traceparent;
  }
}

}  // namespace
}  // namespace adv
