#include "server/compute/exceptions.h"

#include <gtest/gtest.h>

#include <new>
#include <stdexcept>

#include "server/wire/errors.h"

namespace adv {
namespace {

TEST(ExceptionsTest, WorkThatThrowsNothingIsAsItIs) {
  bool threw = false;
  EXPECT_TRUE(CatchExceptions([] { return absl::OkStatus(); }, &threw).ok());
  EXPECT_FALSE(threw);
}

TEST(ExceptionsTest, MemoryThatRanOutIsNoFullQueue) {
  bool threw = false;
  absl::Status status =
      CatchExceptions([]() -> absl::Status { throw std::bad_alloc(); }, &threw);
  EXPECT_TRUE(threw);
  EXPECT_EQ(ReasonName(status), "OUT_OF_MEMORY");
  status = CatchExceptions([]() -> absl::Status {
    throw std::runtime_error("CUDA out of memory. Tried to allocate 1 GiB");
  });
  EXPECT_EQ(ReasonName(status), "OUT_OF_MEMORY");
  EXPECT_TRUE(absl::IsResourceExhausted(status));
}

TEST(ExceptionsTest, TheRestIsAFaultOfTheServer) {
  const absl::Status status = CatchExceptions(
      []() -> absl::Status { throw std::runtime_error("broken"); });
  EXPECT_TRUE(absl::IsInternal(status));
  EXPECT_EQ(status.message(), "computing failed: broken");
}

}  // namespace
}  // namespace adv
