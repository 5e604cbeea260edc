#include "server/compute/cancel_token.h"

#include <gtest/gtest.h>

#include <optional>
#include <thread>

namespace adv {
namespace {

TEST(CancelTokenTest, CopiesAreCancelledTogether) {
  const CancelToken token;
  const CancelToken copy = token;
  EXPECT_FALSE(copy.cancelled());
  token.Cancel();
  EXPECT_TRUE(copy.cancelled());
}

TEST(CancelTokenTest, AWatchIsCalledOnce) {
  const CancelToken token;
  int calls = 0;
  const CancelToken::Watch watch(token, [&] { ++calls; });
  EXPECT_EQ(calls, 0);
  token.Cancel();
  token.Cancel();
  EXPECT_EQ(calls, 1);
}

TEST(CancelTokenTest, AWatchThatComesTooLateIsCalledAtOnce) {
  const CancelToken token;
  token.Cancel();
  int calls = 0;
  const CancelToken::Watch watch(token, [&] { ++calls; });
  EXPECT_EQ(calls, 1);
}

TEST(CancelTokenTest, AWatchThatIsGoneIsNotCalled) {
  const CancelToken token;
  int gone = 0;
  int stays = 0;
  std::optional<CancelToken::Watch> watch;
  watch.emplace(token, [&] { ++gone; });
  const CancelToken::Watch other(token, [&] { ++stays; });
  watch.reset();
  token.Cancel();
  EXPECT_EQ(gone, 0);
  EXPECT_EQ(stays, 1);
}

// ThreadSanitizer finds a call of a function whose watch is gone.
TEST(CancelTokenTest, WatchesComeAndGoWhileATokenIsCancelled) {
  for (int round = 0; round < 100; ++round) {
    const CancelToken token;
    std::thread canceller([&token] { token.Cancel(); });
    for (int i = 0; i < 20; ++i) {
      int calls = 0;
      {
        const CancelToken::Watch watch(token, [&calls] { ++calls; });
      }
      EXPECT_LE(calls, 1);
    }
    canceller.join();
    EXPECT_TRUE(token.cancelled());
  }
}

}  // namespace
}  // namespace adv
