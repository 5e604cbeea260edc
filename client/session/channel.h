#ifndef ADV_CLIENT_SESSION_CHANNEL_H_
#define ADV_CLIENT_SESSION_CHANNEL_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "grpcpp/channel.h"
#include "grpcpp/security/credentials.h"

namespace adv {

// gRPC's service config as JSON: retries of the calls that may be repeated and,
// if `balance` is not empty, the balancing policy with health checks.
std::string ServiceConfig(const std::string& balance);

// The gRPC target of `server`, which is "host:port", "host" (port 50051),
// several of these with commas between, or a target that already has a scheme.
// Names in a list are resolved here, because gRPC takes only numbers in a list.
// Errors name the wrong address.
absl::StatusOr<std::string> TargetOf(const std::string& server);

// Whether every address of a gRPC target belongs to this machine.
bool IsOfThisMachine(absl::string_view target);

// Makes a channel. The server's certificate must name `server_name`, or, if
// that is empty, the target's host. It does not connect yet.
std::shared_ptr<grpc::Channel> MakeChannel(
    const std::string& target, const std::string& balance,
    const std::shared_ptr<grpc::ChannelCredentials>& credentials,
    const std::string& server_name);

}  // namespace adv

#endif  // ADV_CLIENT_SESSION_CHANNEL_H_
