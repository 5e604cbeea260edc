#ifndef ADV_SERVER_TELEMETRY_COLLECT_STATS_H_
#define ADV_SERVER_TELEMETRY_COLLECT_STATS_H_

#include <c10/core/Device.h>
#include <prometheus/metric_family.h>

#include <map>
#include <string>
#include <vector>

#include "adv/v1/model.pb.h"
#include "engine/nn/batching_network.h"
#include "engine/nn/device.h"
#include "server/compute/endpoint.h"
#include "server/compute/executor.h"
#include "server/evaluations/evaluation_runner.h"
#include "server/evaluations/evaluation_store.h"
#include "server/models/model_registry.h"

namespace adv {

// The numbers that the server's parts keep, as Prometheus's families.
std::vector<prometheus::MetricFamily> CollectExecutor(
    const ExecutorStats& stats);
std::vector<prometheus::MetricFamily> CollectModels(
    const ModelRegistryStats& stats, const std::vector<v1::Model>& models,
    const std::map<std::string, bool>& serving);
std::vector<prometheus::MetricFamily> CollectPasses(
    const PassQueue::Stats& stats);
// By the endpoint's name.
std::vector<prometheus::MetricFamily> CollectEndpoints(
    const std::map<std::string, EndpointStats>& stats);
std::vector<prometheus::MetricFamily> CollectEvaluations(
    const EvaluationRunnerStats& stats);
std::vector<prometheus::MetricFamily> CollectStore(const StoreSize& size);
std::vector<prometheus::MetricFamily> CollectDevice(c10::Device device);

}  // namespace adv

#endif  // ADV_SERVER_TELEMETRY_COLLECT_STATS_H_
