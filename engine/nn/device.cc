#include "engine/nn/device.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <absl/strings/str_split.h>
#include <absl/strings/strip.h>
#include <sched.h>
#include <torch/cuda.h>
#ifdef ADV_CUDA
#include <c10/cuda/CUDAGuard.h>
#include <cuda_runtime_api.h>
#endif

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <utility>

namespace adv {
namespace {

// The whole text of a file, or an empty string if it cannot be read.
std::string ReadText(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// The value of the first "key : value" line, or "".
std::string LineOf(absl::string_view text, absl::string_view key) {
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(line, absl::MaxSplits(':', 1));
    if (absl::StripAsciiWhitespace(parts.first) == key) {
      return std::string(absl::StripAsciiWhitespace(parts.second));
    }
  }
  return "";
}

// Reads "24689260 kB"; 0 for any other text.
int64_t Kilobytes(absl::string_view text) {
  int64_t kilobytes = 0;
  return absl::ConsumeSuffix(&text, " kB") && absl::SimpleAtoi(text, &kilobytes)
             ? kilobytes
             : 0;
}

// Some processors other than x86 name no model and no flags in this file.
std::string DescribeCpu() {
  const std::string text = ReadText("/proc/cpuinfo");
  std::string model = LineOf(text, "model name");
  if (model.empty()) model = "unknown model";
  const std::set<std::string> flags =
      absl::StrSplit(LineOf(text, "flags"), ' ');
  const char* vectors = flags.count("avx512f") != 0 ? ", AVX-512"
                        : flags.count("avx2") != 0  ? ", AVX2"
                                                    : "";
  return absl::StrCat("CPU: ", model, vectors);
}

// The models come from the driver's files rather than from CUDA's API, whose
// headers a build without CUDA does not have. The files do not tell which card
// has which index, so several models are joined with "or".
std::string DescribeCuda(c10::Device device) {
  std::set<std::string> models;
  std::error_code error;
  for (const auto& card :
       std::filesystem::directory_iterator("/proc/driver/nvidia/gpus", error)) {
    const std::string model =
        LineOf(ReadText(card.path() / "information"), "Model");
    if (!model.empty()) models.insert(model);
  }
  if (models.empty()) return absl::StrCat("CUDA: device ", device.index());
  return absl::StrCat("CUDA: ", absl::StrJoin(models, " or "));
}

// The cores of a quota, both in microseconds. 0 if it is no limit, which
// version 2 writes as "max" and version 1 as -1.
double Cores(absl::string_view quota, absl::string_view period) {
  double limit = 0;
  double length = 0;
  if (!absl::SimpleAtod(absl::StripAsciiWhitespace(quota), &limit) ||
      !absl::SimpleAtod(absl::StripAsciiWhitespace(period), &length) ||
      limit <= 0 || length <= 0) {
    return 0;
  }
  return limit / length;
}

// The quota of one control group's folder in cores, version 2 or 1; 0 if there
// is none.
double GroupQuota(const std::filesystem::path& group) {
  const std::string v2 = ReadText(group / "cpu.max");
  if (!v2.empty()) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(v2, absl::MaxSplits(' ', 1));
    return Cores(parts.first, parts.second);
  }
  return Cores(ReadText(group / "cpu.cfs_quota_us"),
               ReadText(group / "cpu.cfs_period_us"));
}

}  // namespace

double CgroupCores(const std::string& membership, const std::string& mount) {
  double least = 0;
  for (absl::string_view line : absl::StrSplit(membership, '\n')) {
    // "0::/a/b" (version 2) or "4:cpu,cpuacct:/a/b" (version 1)
    const std::vector<std::string> parts =
        absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() != 3) continue;
    const std::vector<std::string> controllers = absl::StrSplit(parts[1], ',');
    // Version 2 names no controllers. Of version 1's hierarchies only the one
    // with the controller "cpu" has quotas.
    const bool v1 =
        std::count(controllers.begin(), controllers.end(), "cpu") != 0;
    if (!parts[1].empty() && !v1) continue;
    std::filesystem::path root = mount;
    // Version 1 mounts each hierarchy in a folder named after its controllers.
    if (v1) root /= parts[1];
    // A group is bound by its ancestors' quotas, too. In a container the path
    // may be the host's, of which only the root can be seen; folders that
    // cannot be read count as without quota.
    std::filesystem::path below =
        std::filesystem::path(parts[2]).relative_path();
    while (true) {
      const double quota = GroupQuota(root / below);
      if (quota > 0 && (least == 0 || quota < least)) least = quota;
      if (below.empty()) break;
      below = below.parent_path();
    }
  }
  return least;
}

std::vector<std::string> AvailableDevices() {
  const size_t count = torch::cuda::device_count();
  std::vector<std::string> names;
  names.reserve(count + 1);
  for (size_t i = 0; i < count; ++i) names.push_back(absl::StrCat("cuda:", i));
  names.emplace_back("cpu");
  return names;
}

absl::StatusOr<c10::Device> ParseDevice(absl::string_view name) {
  const std::vector<std::string> available = AvailableDevices();
  std::string wanted(name);
  if (name == "auto") wanted = available.front();
  // Without a GPU "cuda:0" is not in the list, and the check below refuses it.
  if (name == "cuda") wanted = "cuda:0";
  if (std::count(available.begin(), available.end(), wanted) == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("device \"", name, "\" is not available: must be auto or ",
                     absl::StrJoin(available, ", ")));
  }
  return c10::Device(wanted);
}

int64_t GoodBatch(c10::Device device) { return device.is_cpu() ? 128 : 1000; }

std::string DescribeDevice(c10::Device device) {
  return device.is_cuda() ? DescribeCuda(device) : DescribeCpu();
}

DeviceMemory MemoryOf(c10::Device device) {
#ifdef ADV_CUDA
  if (device.is_cuda()) {
    const c10::cuda::CUDAGuard current(device);
    size_t free = 0;
    size_t total = 0;
    if (cudaMemGetInfo(&free, &total) != cudaSuccess) return {};
    return {static_cast<int64_t>(total - free), static_cast<int64_t>(total)};
  }
#endif
  if (!device.is_cpu()) return {};
  const std::string text = ReadText("/proc/meminfo");
  const int64_t total = Kilobytes(LineOf(text, "MemTotal"));
  return {(total - Kilobytes(LineOf(text, "MemAvailable"))) * 1024,
          total * 1024};
}

int UsableCores() {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  int cores = 1;
  // The call fails where the mask is too small for the machine; then 1 stays.
  if (sched_getaffinity(0, sizeof(mask), &mask) == 0) cores = CPU_COUNT(&mask);
  const double quota =
      CgroupCores(ReadText("/proc/self/cgroup"), "/sys/fs/cgroup");
  if (quota > 0) cores = std::min(cores, static_cast<int>(quota));
  return std::max(cores, 1);
}

}  // namespace adv
