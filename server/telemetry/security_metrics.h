#ifndef ADV_SERVER_TELEMETRY_SECURITY_METRICS_H_
#define ADV_SERVER_TELEMETRY_SECURITY_METRICS_H_

#include <absl/strings/string_view.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <map>
#include <string>

#include "server/security/gate.h"
#include "server/security/tls.h"

namespace adv {

// Who was refused, and the state of certificates and identities. Thread-safe.
class SecurityMetrics {
 public:
  // The registry must outlive this object.
  explicit SecurityMetrics(prometheus::Registry& registry);

  // `reason` is that of a call's error; only those of the gate are counted.
  void CountRefusal(const std::string& reason);

  // What is never set is not shown.
  void Set(const TlsStats& stats);
  void Set(const GateStats& stats);

 private:
  using Gauges = prometheus::Family<prometheus::Gauge>;

  std::map<std::string, prometheus::Counter*> refused_;  // by reason
  Gauges& certificate_not_after_;
  Gauges& certificate_reload_;
  Gauges& identities_;
  Gauges& identities_reload_;
  Gauges& identities_reload_time_;
};

}  // namespace adv

#endif  // ADV_SERVER_TELEMETRY_SECURITY_METRICS_H_
