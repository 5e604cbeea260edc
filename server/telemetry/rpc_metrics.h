#ifndef ADV_SERVER_TELEMETRY_RPC_METRICS_H_
#define ADV_SERVER_TELEMETRY_RPC_METRICS_H_

#include <grpcpp/support/status_code_enum.h>
#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <array>
#include <list>
#include <string>

namespace adv {

// "OK", "INVALID_ARGUMENT", ...
const char* CodeName(grpc::StatusCode code);

inline constexpr int kGrpcCodes = 17;

// The counters of one method. Thread-safe.
class RpcMetrics {
 public:
  const std::string& method() const { return method_; }
  // With its service: "adv.v1.ModelService/ListModels".
  const std::string& full_method() const { return full_method_; }
  void Start();
  void End(grpc::StatusCode code, double seconds);

 private:
  friend class RpcMetricsFamily;
  RpcMetrics() = default;

  std::string method_;
  std::string full_method_;
  prometheus::Counter* started_ = nullptr;
  std::array<prometheus::Counter*, kGrpcCodes> handled_{};
  prometheus::Histogram* seconds_ = nullptr;
  prometheus::Gauge* in_flight_ = nullptr;
};

// The metrics adv_rpc_*, by method and, for ended calls, by code.
class RpcMetricsFamily {
 public:
  // `registry` must outlive it.
  explicit RpcMetricsFamily(prometheus::Registry& registry);

  // Adds the counters of `method` of `service`. They live as long as this
  // object. Not thread-safe: called when the services are made.
  RpcMetrics& Add(const std::string& service, const std::string& method);

 private:
  prometheus::Family<prometheus::Counter>& started_;
  prometheus::Family<prometheus::Counter>& handled_;
  prometheus::Family<prometheus::Histogram>& seconds_;
  prometheus::Family<prometheus::Gauge>& in_flight_;
  std::list<RpcMetrics> methods_;
};

}  // namespace adv

#endif  // ADV_SERVER_TELEMETRY_RPC_METRICS_H_
