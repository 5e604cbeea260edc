#ifndef ADV_SERVER_TELEMETRY_METRICS_H_
#define ADV_SERVER_TELEMETRY_METRICS_H_

#include <c10/core/Device.h>
#include <prometheus/registry.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "engine/nn/batching_network.h"
#include "server/compute/endpoint.h"
#include "server/compute/executor.h"
#include "server/evaluations/evaluation_runner.h"
#include "server/evaluations/evaluation_store.h"
#include "server/models/model_registry.h"
#include "server/telemetry/report_metrics.h"
#include "server/telemetry/rpc_metrics.h"
#include "server/telemetry/security_metrics.h"

namespace adv {

// All must outlive the metrics.
struct WatchedParts {
  const Executor& executor;
  const ModelRegistry& models;
  const EvaluationRunner& evaluations;
  const EvaluationStore& store;
  const PassQueue& passes;
  const Endpoints& endpoints;
  c10::Device device;
};

// All metrics of the server, named adv_*, in Prometheus's text form. Labels are
// bounded: services, methods, codes, lanes, operations, model names and attack
// families, but never ids, versions or epsilons. Thread-safe, except for Rpc
// and Watch, which are called while the server is built.
class Metrics {
 public:
  // `build` becomes the labels of adv_build_info.
  explicit Metrics(const std::map<std::string, std::string>& build);

  RpcMetrics& Rpc(const std::string& service, const std::string& method) {
    return rpc_.Add(service, method);
  }

  void CountClassified(const std::string& model, int64_t images);
  // `gradients` are the passes of all images.
  void CountAttacked(const std::string& model, const std::string& attack,
                     int64_t images, int64_t gradients);
  ReportMetrics& reports() { return reports_; }
  SecurityMetrics& security() { return security_; }

  // From now on Text asks these parts for their numbers, which they keep
  // themselves. The parts report to the metrics, so the metrics are made first
  // and learn of the parts later.
  void Watch(const WatchedParts& parts) { watched_.emplace(parts); }

  std::string Text() const;

 private:
  prometheus::Registry registry_;
  RpcMetricsFamily rpc_;
  prometheus::Family<prometheus::Histogram>& request_images_;
  prometheus::Family<prometheus::Counter>& images_;
  prometheus::Family<prometheus::Counter>& gradients_;
  ReportMetrics reports_;
  SecurityMetrics security_;
  std::optional<WatchedParts> watched_;
};

}  // namespace adv

#endif  // ADV_SERVER_TELEMETRY_METRICS_H_
