#include "server/telemetry/rpc_metrics.h"

namespace adv {
namespace {

// By the number of the code.
constexpr std::array<const char*, kGrpcCodes> kCodeNames = {
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED"};

// In seconds, from a lone image to a long evaluation.
const prometheus::Histogram::BucketBoundaries kBounds = {
    .001, .003, .01, .03, .1, .3, 1, 3, 10, 30, 100, 300, 1000};

}  // namespace

const char* CodeName(grpc::StatusCode code) {
  return code >= 0 && code < kGrpcCodes ? kCodeNames[code] : "UNKNOWN";
}

void RpcMetrics::Start() {
  started_->Increment();
  in_flight_->Increment();
}

void RpcMetrics::End(grpc::StatusCode code, double seconds) {
  // A code that is not one of gRPC's must not reach beyond the array.
  handled_[code >= 0 && code < kGrpcCodes ? code : grpc::StatusCode::UNKNOWN]
      ->Increment();
  seconds_->Observe(seconds);
  in_flight_->Decrement();
}

RpcMetricsFamily::RpcMetricsFamily(prometheus::Registry& registry)
    : started_(prometheus::BuildCounter()
                   .Name("adv_rpc_started_total")
                   .Help("Calls begun.")
                   .Register(registry)),
      handled_(prometheus::BuildCounter()
                   .Name("adv_rpc_handled_total")
                   .Help("Calls ended, by status code.")
                   .Register(registry)),
      seconds_(prometheus::BuildHistogram()
                   .Name("adv_rpc_duration_seconds")
                   .Help("Time from the call to its end.")
                   .Register(registry)),
      in_flight_(prometheus::BuildGauge()
                     .Name("adv_rpc_in_flight")
                     .Help("Calls begun and not ended.")
                     .Register(registry)) {}

RpcMetrics& RpcMetricsFamily::Add(const std::string& service,
                                  const std::string& method) {
  const prometheus::Labels labels = {{"service", service}, {"method", method}};
  // A list, so that references to earlier methods stay valid.
  methods_.push_back(RpcMetrics());
  RpcMetrics& metrics = methods_.back();
  metrics.method_ = method;
  metrics.full_method_ = service + "/" + method;
  metrics.started_ = &started_.Add(labels);
  for (int code = 0; code < kGrpcCodes; ++code) {
    // All codes exist from the start, so that rates begin at 0 and a call takes
    // no lock.
    prometheus::Labels coded = labels;
    coded["code"] = kCodeNames[code];
    metrics.handled_[code] = &handled_.Add(coded);
  }
  metrics.seconds_ = &seconds_.Add(labels, kBounds);
  metrics.in_flight_ = &in_flight_.Add(labels);
  return metrics;
}

}  // namespace adv
