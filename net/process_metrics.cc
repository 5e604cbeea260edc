#include "net/process_metrics.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_split.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace adv {
namespace {

using prometheus::MetricFamily;
using prometheus::MetricType;

std::string ReadText(const char* path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

MetricFamily Single(const char* name, const char* help, MetricType type,
                    double value) {
  prometheus::ClientMetric metric;
  (type == MetricType::Counter ? metric.counter.value : metric.gauge.value) =
      value;
  return {name, help, type, {metric}};
}

// When the machine was booted, in seconds since the epoch.
double BootTime() {
  const std::string text = ReadText("/proc/stat");
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
    double seconds = 0;
    if (words.size() == 2 && words[0] == "btime" &&
        absl::SimpleAtod(words[1], &seconds)) {
      return seconds;
    }
  }
  return 0;
}

double OpenFiles() {
  std::error_code error;
  const std::filesystem::directory_iterator files("/proc/self/fd", error);
  if (error) return 0;
  // The folder itself is open while its entries are counted.
  return static_cast<double>(std::distance(begin(files), end(files)) - 1);
}

double MostFiles() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  return static_cast<double>(limit.rlim_cur);
}

}  // namespace

std::vector<MetricFamily> CollectProcess() {
  const std::string text = ReadText("/proc/self/stat");
  // The program's name, in parentheses, may hold blanks. After it field 3 of
  // proc(5) comes first.
  const size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return {};
  const std::vector<std::string> fields =
      absl::StrSplit(text.substr(name_end + 2), ' ');
  const auto field = [&](size_t number) {
    double value = 0;
    const bool there = number - 3 < fields.size() &&
                       absl::SimpleAtod(fields[number - 3], &value);
    return there ? value : 0;
  };
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  const auto page = static_cast<double>(sysconf(_SC_PAGESIZE));
  return {
      Single("process_cpu_seconds_total", "Processor time, user and system.",
             MetricType::Counter, (field(14) + field(15)) / ticks),
      Single("process_resident_memory_bytes", "Memory that is in use.",
             MetricType::Gauge, field(24) * page),
      Single("process_virtual_memory_bytes", "Addresses that are taken.",
             MetricType::Gauge, field(23)),
      Single("process_threads", "Threads.", MetricType::Gauge, field(20)),
      Single("process_open_fds", "Open file descriptors.", MetricType::Gauge,
             OpenFiles()),
      Single("process_max_fds", "Most file descriptors that may be open.",
             MetricType::Gauge, MostFiles()),
      Single("process_start_time_seconds",
             "When the process started, since the epoch.", MetricType::Gauge,
             BootTime() + field(22) / ticks)};
}

}  // namespace adv
