#ifndef ADV_SERVER_TELEMETRY_METRICS_H_
#define ADV_SERVER_TELEMETRY_METRICS_H_

#include <prometheus/registry.h>

#include <cstdint>
#include <map>
#include <string>

#include "engine/nn/batching_network.h"
#include "server/compute/endpoint.h"
#include "server/compute/executor.h"
#include "server/evaluations/evaluation_runner.h"
#include "server/models/model_registry.h"
#include "server/telemetry/rpc_metrics.h"

namespace adv {

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
  // Sets the gauges from the newest report: clean accuracy, and for each attack
  // the lowest robust accuracy over its epsilons.
  void SetAccuracies(const v1::EvaluationReport& report);

  // Names the parts that Text asks for numbers. All must outlive this object.
  void Watch(const Executor& executor, const ModelRegistry& models,
             const EvaluationRunner& evaluations, const PassQueue& passes,
             const Endpoints& endpoints);

  std::string Text() const;

 private:
  prometheus::Registry registry_;
  RpcMetricsFamily rpc_;
  prometheus::Family<prometheus::Histogram>& request_images_;
  prometheus::Family<prometheus::Counter>& images_;
  prometheus::Family<prometheus::Counter>& gradients_;
  prometheus::Family<prometheus::Gauge>& clean_accuracy_;
  prometheus::Family<prometheus::Gauge>& robust_accuracy_;
  const Executor* executor_ = nullptr;
  const ModelRegistry* models_ = nullptr;
  const EvaluationRunner* evaluations_ = nullptr;
  const PassQueue* passes_ = nullptr;
  const Endpoints* endpoints_ = nullptr;
};

}  // namespace adv

#endif  // ADV_SERVER_TELEMETRY_METRICS_H_
