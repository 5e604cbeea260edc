// A device without memory left fails the job that asked for it, not the server.
#include <ATen/ATen.h>

#include "engine/nn/device.h"
#include "tests/server/compute/executor_fixture.h"

namespace adv {
namespace {

class ExecutorGpuTest : public ExecutorTest {
 protected:
  void SetUp() override {
    const absl::StatusOr<at::Device> device = ParseDevice("cuda");
    if (!device.ok()) GTEST_SKIP() << device.status().message();
    cuda_ = *device;
  }

  at::Device cuda_ = at::kCPU;
};

TEST_F(ExecutorGpuTest, GoesOnAfterTheDeviceWasOutOfMemory) {
  StartExecutor();
  const auto fill = [this](const BeforePass&) {
    const at::Tensor all = at::empty({int64_t{1} << 44}, at::device(cuda_));
    return absl::InternalError("16 TiB fit");
  };
  ASSERT_TRUE(executor_->Submit(Bulk(), fill, journal_.Ends("full")).ok());
  EXPECT_EQ(journal_.AwaitEnd("full").code(),
            absl::StatusCode::kResourceExhausted);
  const auto add = [this](const BeforePass&) {
    const at::Tensor ones = at::ones({1 << 20}, at::device(cuda_));
    return ones.sum().item<float>() == 1 << 20
               ? absl::OkStatus()
               : absl::InternalError("the device adds wrongly");
  };
  ASSERT_TRUE(executor_->Submit(Bulk(), add, journal_.Ends("next")).ok());
  EXPECT_EQ(journal_.AwaitEnd("next"), absl::OkStatus());
}

}  // namespace
}  // namespace adv
