#ifndef ADV_ENGINE_NN_DEVICE_H_
#define ADV_ENGINE_NN_DEVICE_H_

#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <string>
#include <vector>

namespace adv {

// The devices of this process in order of preference for computing, for
// example {"cuda:0", "cpu"}. "cpu" is always there.
std::vector<std::string> AvailableDevices();

// "cpu", "cuda" (the first one), "cuda:N", or "auto" (the first available).
// INVALID_ARGUMENT lists the available ones if `name` is not among them.
absl::StatusOr<c10::Device> ParseDevice(absl::string_view name);

// Images that are best computed together there: 128 on the CPU, 1,000 on a GPU,
// whose 132 multiprocessors smaller batches leave idle.
int64_t GoodBatch(c10::Device device);

// What a report should say of it: "CPU: <model name>, AVX2" or "CUDA: H200".
std::string DescribeDevice(c10::Device device);

// Bytes of a device's memory, of all processes together.
struct DeviceMemory {
  int64_t used = 0;
  int64_t total = 0;  // 0 if it is not known
};
DeviceMemory MemoryOf(c10::Device device);

// Cores this process may use: the smaller of the affinity mask and the
// cgroup's CPU quota (rounded down), at least 1.
int UsableCores();

// The least CPU quota, in cores, of the control groups (version 1 or 2) that
// `membership`, the text of a /proc/<pid>/cgroup, names below the folder
// `mount`, and of their ancestors; 0 if there is no limit.
double CgroupCores(const std::string& membership, const std::string& mount);

}  // namespace adv

#endif  // ADV_ENGINE_NN_DEVICE_H_
