#include "engine/nn/device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <string>
#include <thread>

#include "tests/engine/temp_folder.h"

namespace adv {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(DeviceTest, TheCpuIsAlwaysThereAndLast) {
  EXPECT_EQ(AvailableDevices().back(), "cpu");
  EXPECT_EQ(ParseDevice("cpu").value(), c10::Device(c10::kCPU));
}

TEST(DeviceTest, AutoIsTheFirstAvailable) {
  EXPECT_EQ(ParseDevice("auto").value().str(), AvailableDevices().front());
}

TEST(DeviceTest, OthersAreRefusedWithTheAvailable) {
  for (const char* name : {"", "gpu", "cpu:0", "cuda:99", "cuda:x", "CPU"}) {
    const absl::Status status = ParseDevice(name).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << name;
    EXPECT_THAT(std::string(status.message()),
                HasSubstr("device \"" + std::string(name) +
                          "\" is not available: must be auto or "));
    EXPECT_THAT(std::string(status.message()), HasSubstr("cpu"));
  }
}

TEST(DeviceTest, DescriptionNamesTheProcessor) {
  const std::string text = DescribeDevice(c10::kCPU);
  EXPECT_THAT(text, StartsWith("CPU: "));
  EXPECT_GT(text.size(), std::string("CPU: ").size());
}

TEST(DeviceTest, TheCpusMemoryIsTheMachines) {
  const DeviceMemory memory = MemoryOf(c10::kCPU);
  const auto pages = static_cast<int64_t>(sysconf(_SC_PHYS_PAGES));
  EXPECT_EQ(memory.total, pages * sysconf(_SC_PAGESIZE));
  EXPECT_GT(memory.used, 0);
  EXPECT_LT(memory.used, memory.total);
}

TEST(UsableCoresTest, FollowsTheAffinityMask) {
  EXPECT_GE(UsableCores(), 1);
  int pinned = 0;
  std::thread([&pinned] {  // the mask is the thread's own
    cpu_set_t mask;
    sched_getaffinity(0, sizeof(mask), &mask);
    int first = 0;
    while (!CPU_ISSET(first, &mask)) ++first;
    CPU_ZERO(&mask);
    CPU_SET(first, &mask);
    sched_setaffinity(0, sizeof(mask), &mask);
    pinned = UsableCores();
  })
      .join();
  EXPECT_EQ(pinned, 1);
}

TEST(CgroupCoresTest, VersionTwo) {
  const TempFolder mount;
  EXPECT_EQ(CgroupCores("0::/\n", mount.path()), 0);
  mount.Write("cpu.max", "max 100000\n");
  EXPECT_EQ(CgroupCores("0::/\n", mount.path()), 0);
  mount.Write("cpu.max", "250000 100000\n");
  EXPECT_EQ(CgroupCores("0::/\n", mount.path()), 2.5);
}

TEST(CgroupCoresTest, TheLeastOfAllAncestors) {
  const TempFolder mount;
  mount.Write("a/cpu.max", "150000 100000\n");
  mount.Write("a/b/cpu.max", "400000 100000\n");
  mount.Write("c/cpu.max", "10000 100000\n");
  EXPECT_EQ(CgroupCores("0::/a/b\n", mount.path()), 1.5);
}

TEST(CgroupCoresTest, AHostPathThatAContainerDoesNotSee) {
  const TempFolder mount;
  mount.Write("cpu.max", "300000 100000\n");
  EXPECT_EQ(CgroupCores("0::/docker/0123\n", mount.path()), 3);
}

TEST(CgroupCoresTest, VersionOne) {
  const TempFolder mount;
  mount.Write("cpu,cpuacct/job/cpu.cfs_quota_us", "200000\n");
  mount.Write("cpu,cpuacct/job/cpu.cfs_period_us", "100000\n");
  const std::string membership =
      "5:memory:/elsewhere\n4:cpu,cpuacct:/job\n0::/\n";
  EXPECT_EQ(CgroupCores(membership, mount.path()), 2);
  mount.Write("cpu,cpuacct/job/cpu.cfs_quota_us", "-1\n");
  EXPECT_EQ(CgroupCores(membership, mount.path()), 0);
}

TEST(CgroupCoresTest, NonsenseIsNoLimit) {
  const TempFolder mount;
  mount.Write("cpu.max", "many few\n");
  EXPECT_EQ(CgroupCores("0::/\n", mount.path()), 0);
  EXPECT_EQ(CgroupCores("", mount.path()), 0);
  EXPECT_EQ(CgroupCores("::::\n", mount.path()), 0);
}

}  // namespace
}  // namespace adv
