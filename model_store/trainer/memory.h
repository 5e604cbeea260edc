#ifndef ADV_MODEL_STORE_TRAINER_MEMORY_H_
#define ADV_MODEL_STORE_TRAINER_MEMORY_H_

#include <ATen/core/Tensor.h>
#include <absl/status/status.h>

#include <cstdint>
#include <string>
#include <vector>

#include "engine/nn/vgg.h"

namespace adv {

// What decides how much memory a run needs.
struct MemoryPlan {
  std::vector<Layer> layers;
  int64_t images = 0;      // of all data sets, 3x32x32 bytes each
  int64_t batch_size = 0;  // no more than there are images
  int64_t models = 1;      // trained at once
};

// Bytes, rounded up generously: programs and data on the host; on the device
// where training happens the data, and for each model its parameters, the
// optimizer's state, and the values and gradients of a batch in all layers.
struct MemoryNeed {
  uint64_t host = 0;
  uint64_t device = 0;
};
MemoryNeed EstimateMemory(const MemoryPlan& plan);

// Bytes of main memory that this process may still take: the kernel's
// MemAvailable, or less where a control group sets a limit.
uint64_t AvailableMemory();

// Bytes that the control groups (version 1 or 2) named by `membership`, the
// text of a /proc/<pid>/cgroup, and their ancestors below the folder `mount`
// leave free; UINT64_MAX without a limit. Cached file pages count as free.
uint64_t CgroupMemory(const std::string& membership, const std::string& mount);

// RESOURCE_EXHAUSTED with need and available unless the first fits in the
// second.
absl::Status CheckMemory(uint64_t need, uint64_t available);

// The same for what `need` says, on the host and on `device`; on a GPU by
// taking the memory for a moment.
absl::Status CheckMemory(const MemoryNeed& need, at::Device device);

}  // namespace adv

#endif  // ADV_MODEL_STORE_TRAINER_MEMORY_H_
