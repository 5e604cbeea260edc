#include "net/process_metrics.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <chrono>
#include <map>
#include <string>
#include <thread>
#include <vector>

namespace adv {
namespace {

using ::testing::AllOf;
using ::testing::Ge;
using ::testing::Le;

std::map<std::string, double> Values() {
  std::map<std::string, double> values;
  for (const prometheus::MetricFamily& family : CollectProcess()) {
    const prometheus::ClientMetric& metric = family.metric.at(0);
    values[family.name] = family.type == prometheus::MetricType::Counter
                              ? metric.counter.value
                              : metric.gauge.value;
  }
  return values;
}

TEST(ProcessMetricsTest, AnOpenFileCountsUntilItIsClosed) {
  const double before = Values()["process_open_fds"];
  const int file = dup(STDERR_FILENO);
  EXPECT_EQ(Values()["process_open_fds"], before + 1);
  close(file);
  EXPECT_EQ(Values()["process_open_fds"], before);
  EXPECT_EQ(Values()["process_max_fds"], sysconf(_SC_OPEN_MAX));
}

TEST(ProcessMetricsTest, AThreadCountsWhileItRuns) {
  const double before = Values()["process_threads"];
  double during = 0;
  std::thread([&] { during = Values()["process_threads"]; }).join();
  EXPECT_EQ(during, before + 1);
}

TEST(ProcessMetricsTest, MemoryThatIsTouchedIsResident) {
  constexpr size_t kBytes = size_t{64} << 20;
  const double before = Values()["process_resident_memory_bytes"];
  const std::vector<char> touched(kBytes, 1);
  EXPECT_EQ(touched.back(), 1);
  std::map<std::string, double> after = Values();
  EXPECT_GT(after["process_resident_memory_bytes"], before + kBytes / 2);
  EXPECT_GT(after["process_virtual_memory_bytes"],
            after["process_resident_memory_bytes"]);
}

TEST(ProcessMetricsTest, WorkTakesProcessorTime) {
  const double before = Values()["process_cpu_seconds_total"];
  // The system counts in hundredths of a second.
  while (Values()["process_cpu_seconds_total"] < before + .02) {
  }
}

TEST(ProcessMetricsTest, TheProcessStartedAMomentAgo) {
  const double now = std::chrono::duration<double>(
                         std::chrono::system_clock::now().time_since_epoch())
                         .count();
  EXPECT_THAT(Values()["process_start_time_seconds"],
              AllOf(Ge(now - 3600), Le(now + 2)));
}

}  // namespace
}  // namespace adv
