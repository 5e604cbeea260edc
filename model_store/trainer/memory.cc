#include "model_store/trainer/memory.h"

#include <ATen/ATen.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <absl/strings/str_split.h>
#include <absl/strings/strip.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <utility>

namespace adv {
namespace {

constexpr uint64_t kUnlimited = std::numeric_limits<uint64_t>::max();
constexpr uint64_t kProgramBytes = uint64_t{256} << 20;  // LibTorch and ours
constexpr uint64_t kImageBytes = 3 * 32 * 32;
// The bytes as read and as a data set; training has its own copy on the device.
constexpr uint64_t kHostDataCopies = 2;
// Values, gradients, mean squares, best values, and those in a checkpoint.
constexpr uint64_t kParameterCopies = 8;
// Validation takes batches of 256, but keeps only two layers of them at a time.
// A training batch of this size needs as much.
constexpr int64_t kLeastBatch = 64;

// The whole text of a file, or an empty string if it cannot be read.
std::string ReadText(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// The number of values that the layers make of one image, with those that they
// remember for the backward pass.
int64_t ValuesPerImage(const std::vector<Layer>& layers) {
  int64_t side = 32;
  int64_t channels = 3;
  int64_t total = side * side * channels;
  for (const Layer& layer : layers) {
    int64_t copies = 1;
    switch (layer.kind) {
      case LayerKind::kConv:
        channels = layer.out;
        break;
      case LayerKind::kMaxPool:
        side /= 2;
        copies = 3;  // with indices of eight bytes
        break;
      case LayerKind::kDropout:
        copies = 2;  // with what was dropped
        break;
      case LayerKind::kDense:
        channels = layer.out;
        side = 1;
        break;
      case LayerKind::kRelu:
      case LayerKind::kFlatten:
        break;
    }
    total += copies * channels * side * side;
  }
  return total;
}

// The value of a line "name: 12 kB" or "name 12", in bytes if it has a unit; 0
// if there is no such line.
uint64_t ValueOf(const std::string& text, absl::string_view name) {
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (!absl::ConsumePrefix(&line, name)) continue;
    absl::ConsumePrefix(&line, ":");
    const std::vector<absl::string_view> words =
        absl::StrSplit(line, ' ', absl::SkipEmpty());
    uint64_t value = 0;
    if (!words.empty() && absl::SimpleAtoi(words[0], &value)) {
      return words.size() > 1 && words[1] == "kB" ? value * 1024 : value;
    }
  }
  return 0;
}

// The bytes that one control group leaves free. kUnlimited if it has no limit
// or its files cannot be read.
uint64_t GroupMemory(const std::filesystem::path& group, bool v1) {
  const auto number = [&group](const char* name) {
    uint64_t value = kUnlimited;  // also for "max"
    const std::string text = ReadText(group / name);
    return absl::SimpleAtoi(absl::StripAsciiWhitespace(text), &value)
               ? value
               : kUnlimited;
  };
  // Version 1 writes a huge number in place of "max", which does no harm below.
  const uint64_t limit = number(v1 ? "memory.limit_in_bytes" : "memory.max");
  uint64_t used = number(v1 ? "memory.usage_in_bytes" : "memory.current");
  if (limit == kUnlimited || used == kUnlimited) return kUnlimited;
  const std::string stat = ReadText(group / "memory.stat");
  // The kernel gives inactive file pages back when memory is short. The numbers
  // are read one after the other, so they need not fit together.
  used -= std::min(
      used, ValueOf(stat, v1 ? "total_inactive_file " : "inactive_file "));
  return limit - std::min(limit, used);
}

std::string Gigabytes(uint64_t bytes) {
  return absl::StrFormat("%.1f GB", static_cast<double>(bytes) / 1e9);
}

}  // namespace

MemoryNeed EstimateMemory(const MemoryPlan& plan) {
  const auto models = static_cast<uint64_t>(plan.models);
  const auto batch =
      static_cast<uint64_t>(std::max(plan.batch_size, kLeastBatch));
  const uint64_t data = kImageBytes * static_cast<uint64_t>(plan.images);
  const uint64_t parameters =
      kParameterCopies * sizeof(float) *
      static_cast<uint64_t>(CountParameters(plan.layers));
  // Twice, since each value has its gradient.
  const uint64_t values_and_gradients =
      2 * sizeof(float) * static_cast<uint64_t>(ValuesPerImage(plan.layers));
  MemoryNeed need;
  need.host = kProgramBytes + kHostDataCopies * data + models * parameters;
  need.device = data + models * (parameters + batch * values_and_gradients);
  return need;
}

uint64_t CgroupMemory(const std::string& membership, const std::string& mount) {
  uint64_t least = kUnlimited;
  for (absl::string_view line : absl::StrSplit(membership, '\n')) {
    // "0::/a/b" (version 2) or "9:memory:/a/b" (version 1)
    const std::vector<std::string> parts =
        absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() != 3) continue;
    const bool v1 = parts[1] == "memory";
    // Version 1's other hierarchies limit no memory.
    if (!parts[1].empty() && !v1) continue;
    std::filesystem::path root = mount;
    // Version 1 mounts each controller in a folder of its own.
    if (v1) root /= "memory";
    // In a container the path may be the host's, of which only the root is
    // visible. The missing folders below it set no limit.
    std::filesystem::path below =
        std::filesystem::path(parts[2]).relative_path();
    while (true) {
      least = std::min(least, GroupMemory(root / below, v1));
      if (below.empty()) break;
      below = below.parent_path();
    }
  }
  return least;
}

uint64_t AvailableMemory() {
  // If the kernel does not tell, only control groups can set a limit.
  const uint64_t free = ValueOf(ReadText("/proc/meminfo"), "MemAvailable");
  return std::min(
      free == 0 ? kUnlimited : free,
      CgroupMemory(ReadText("/proc/self/cgroup"), "/sys/fs/cgroup"));
}

absl::Status CheckMemory(uint64_t need, uint64_t available) {
  if (need <= available) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(
      "not enough memory: this run needs about ", Gigabytes(need), ", ",
      Gigabytes(available),
      " are available; a smaller --batch-size or --parallel needs less"));
}

absl::Status CheckMemory(const MemoryNeed& need, at::Device device) {
  if (device.is_cpu()) {
    // The device's part lies in the same memory.
    return CheckMemory(need.host + need.device, AvailableMemory());
  }
  if (absl::Status s = CheckMemory(need.host, AvailableMemory()); !s.ok()) {
    return s;
  }
  try {  // LibTorch has no portable call for the free memory
    at::empty({static_cast<int64_t>(need.device)},
              at::device(device).dtype(at::kByte));
    return absl::OkStatus();
  } catch (const c10::Error& error) {
    return absl::ResourceExhaustedError(
        absl::StrCat("not enough memory on ", device.str(),
                     ": this run needs about ", Gigabytes(need.device),
                     "; a smaller --batch-size or --parallel needs less (",
                     error.what_without_backtrace(), ")"));
  }
}

}  // namespace adv
