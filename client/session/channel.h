#ifndef ADV_CLIENT_SESSION_CHANNEL_H_
#define ADV_CLIENT_SESSION_CHANNEL_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "grpcpp/channel.h"

namespace adv {

// Retries of the calls that may be repeated, and the balancing policy with
// health checks if `balance` is not empty: gRPC's service config as JSON.
std::string ServiceConfig(const std::string& balance);

// The gRPC target of `server`: "host:port", "host" (port 50051), several of
// them with commas between (resolved here, gRPC takes numbers only), or
// anything that already has a scheme. Errors name the address that is wrong.
absl::StatusOr<std::string> TargetOf(const std::string& server);

// A channel without TLS; does not connect yet.
std::shared_ptr<grpc::Channel> MakeChannel(const std::string& target,
                                           const std::string& balance);

}  // namespace adv

#endif  // ADV_CLIENT_SESSION_CHANNEL_H_
