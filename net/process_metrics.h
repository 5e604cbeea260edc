#ifndef ADV_NET_PROCESS_METRICS_H_
#define ADV_NET_PROCESS_METRICS_H_

#include <prometheus/metric_family.h>

#include <vector>

namespace adv {

// What this process uses now, under the names that all Prometheus clients give
// it: process_cpu_seconds_total, process_resident_memory_bytes,
// process_virtual_memory_bytes, process_open_fds, process_max_fds,
// process_threads, process_start_time_seconds. Empty without /proc.
// Thread-safe.
std::vector<prometheus::MetricFamily> CollectProcess();

}  // namespace adv

#endif  // ADV_NET_PROCESS_METRICS_H_
