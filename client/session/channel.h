#ifndef ADV_CLIENT_SESSION_CHANNEL_H_
#define ADV_CLIENT_SESSION_CHANNEL_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "grpcpp/channel.h"

namespace adv {

// gRPC's service config as JSON: retries of the calls that may be repeated and,
// if `balance` is not empty, the balancing policy with health checks.
std::string ServiceConfig(const std::string& balance);

// The gRPC target of `server`, which is "host:port", "host" (port 50051),
// several of these with commas between, or a target that already has a scheme.
// Names in a list are resolved here, because gRPC takes only numbers in a list.
// Errors name the wrong address.
absl::StatusOr<std::string> TargetOf(const std::string& server);

// Makes a channel without TLS. It does not connect yet.
std::shared_ptr<grpc::Channel> MakeChannel(const std::string& target,
                                           const std::string& balance);

}  // namespace adv

#endif  // ADV_CLIENT_SESSION_CHANNEL_H_
