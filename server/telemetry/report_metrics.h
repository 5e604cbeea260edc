#ifndef ADV_SERVER_TELEMETRY_REPORT_METRICS_H_
#define ADV_SERVER_TELEMETRY_REPORT_METRICS_H_

#include <prometheus/registry.h>

#include "adv/v1/evaluation.pb.h"

namespace adv {

// What the newest report of each model says: accuracies, and what the attacks
// cost. Thread-safe.
class ReportMetrics {
 public:
  // The registry must outlive this object.
  explicit ReportMetrics(prometheus::Registry& registry);

  // Of an attack at several epsilons the lowest robust accuracy counts, and the
  // highest cost.
  void Set(const v1::EvaluationReport& report);

 private:
  using Gauges = prometheus::Family<prometheus::Gauge>;

  Gauges& clean_;
  Gauges& robust_;
  // Of the marked class, and of the others, for models that have one.
  Gauges& classes_clean_;
  Gauges& classes_robust_;
  Gauges& gradients_;
  Gauges& forwards_;
};

}  // namespace adv

#endif  // ADV_SERVER_TELEMETRY_REPORT_METRICS_H_
