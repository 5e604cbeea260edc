#include "server/telemetry/security_metrics.h"

#include "server/wire/errors.h"

namespace adv {
namespace {

constexpr Reason kRefusals[] = {Reason::kUnauthenticated,
                                Reason::kPermissionDenied,
                                Reason::kQuotaExceeded};

prometheus::Family<prometheus::Gauge>& AddGauge(prometheus::Registry& registry,
                                                const char* name,
                                                const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
}

double SecondsOf(absl::Time time) {
  return absl::ToDoubleSeconds(time - absl::UnixEpoch());
}

}  // namespace

SecurityMetrics::SecurityMetrics(prometheus::Registry& registry)
    : certificate_not_after_(
          AddGauge(registry, "adv_tls_certificate_not_after_seconds",
                   "When the server's certificate expires, since the epoch.")),
      certificate_reload_(
          AddGauge(registry, "adv_tls_last_reload_successful",
                   "1 if the files of TLS are what is used, 0 if they are "
                   "damaged and older ones are.")),
      identities_(AddGauge(registry, "adv_identities", "Identities known.")),
      identities_reload_(
          AddGauge(registry, "adv_identities_last_reload_successful",
                   "1 if the file of identities is what is used, 0 if it is "
                   "damaged and an older one is.")),
      identities_reload_time_(AddGauge(
          registry, "adv_identities_last_reload_success_timestamp_seconds",
          "When identities were last taken over, since the epoch.")) {
  auto& refused = prometheus::BuildCounter()
                      .Name("adv_refused_calls_total")
                      .Help(
                          "Calls that were refused for who their caller is, "
                          "or for what the caller has used.")
                      .Register(registry);
  for (const Reason reason : kRefusals) {
    const std::string name = ReasonName(Error(reason, ""));
    refused_[name] = &refused.Add({{"reason", name}});
  }
}

void SecurityMetrics::CountRefusal(const std::string& reason) {
  const auto found = refused_.find(reason);
  if (found != refused_.end()) found->second->Increment();
}

void SecurityMetrics::Set(const TlsStats& stats) {
  certificate_not_after_.Add({}).Set(SecondsOf(stats.not_after));
  certificate_reload_.Add({}).Set(stats.last_reload_failed ? 0 : 1);
}

void SecurityMetrics::Set(const GateStats& stats) {
  identities_.Add({}).Set(static_cast<double>(stats.identities));
  identities_reload_.Add({}).Set(stats.last_reload_failed ? 0 : 1);
  identities_reload_time_.Add({}).Set(SecondsOf(stats.last_reload));
}

}  // namespace adv
