#ifndef ADV_MODEL_STORE_TRAINER_MEMORY_H_
#define ADV_MODEL_STORE_TRAINER_MEMORY_H_

#include <ATen/core/Tensor.h>
#include <absl/status/status.h>

#include <cstdint>
#include <string>
#include <vector>

#include "engine/nn/vgg.h"

namespace adv {

// The facts that decide how much memory a run needs.
struct MemoryPlan {
  std::vector<Layer> layers;
  int64_t images = 0;      // of all data sets, 3x32x32 bytes each
  int64_t batch_size = 0;  // no more than there are images
  int64_t models = 1;      // trained at once
};

// Needs in bytes, rounded up generously. The host holds programs and data. The
// device that trains holds the data and, for each model, its parameters, the
// optimizer's state, and the values and gradients of a batch in all layers.
struct MemoryNeed {
  uint64_t host = 0;
  uint64_t device = 0;
};
MemoryNeed EstimateMemory(const MemoryPlan& plan);

// The bytes of main memory that this process may still take: the kernel's
// MemAvailable, or less if a control group sets a limit.
uint64_t AvailableMemory();

// The bytes that control groups (version 1 or 2) leave free; UINT64_MAX without
// a limit. `membership` is the text of a /proc/<pid>/cgroup and names the
// groups; their ancestors below the folder `mount` count, too. Cached file
// pages count as free.
uint64_t CgroupMemory(const std::string& membership, const std::string& mount);

// RESOURCE_EXHAUSTED if `need` is more than `available`; the message has both.
absl::Status CheckMemory(uint64_t need, uint64_t available);

// The same for `need`, on the host and on `device`. On a GPU it takes the
// memory for a moment.
absl::Status CheckMemory(const MemoryNeed& need, at::Device device);

}  // namespace adv

#endif  // ADV_MODEL_STORE_TRAINER_MEMORY_H_
