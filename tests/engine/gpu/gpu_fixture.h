#ifndef ADV_TESTS_ENGINE_GPU_GPU_FIXTURE_H_
#define ADV_TESTS_ENGINE_GPU_GPU_FIXTURE_H_

#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include "engine/nn/device.h"

namespace adv {

// Skips its tests, with the reason, where there is no CUDA device.
class GpuTest : public testing::Test {
 protected:
  void SetUp() override {
    const absl::StatusOr<at::Device> device = ParseDevice("cuda");
    if (!device.ok()) GTEST_SKIP() << device.status().message();
    cuda_ = *device;
  }

  at::Device cuda_ = at::kCPU;
};

}  // namespace adv

#endif  // ADV_TESTS_ENGINE_GPU_GPU_FIXTURE_H_
