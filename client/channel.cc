#include "client/channel.h"

#include <arpa/inet.h>
#include <netdb.h>

#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/support/channel_arguments.h"
#include "nlohmann/json.hpp"

namespace adv {
namespace {

using nlohmann::json;

constexpr char kDefaultPort[] = "50051";
constexpr int kMaxReplyBytes = 256 << 20;  // records of a large evaluation

// Deleting twice is not the same as deleting once (the second is NOT_FOUND),
// so DeleteEvaluation is not here.
constexpr const char* kIdempotent[] = {"Classify",
                                       "GenerateAdversarial",
                                       "EvaluateRobustness",
                                       "GetEvaluation",
                                       "ListEvaluations",
                                       "CancelEvaluation",
                                       "ListEvaluationRecords"};

json RetriedNames() {
  json names = json::array();
  for (const char* method : kIdempotent) {
    names.push_back(
        {{"service", "adv.v1.AttackEvaluationService"}, {"method", method}});
  }
  names.push_back({{"service", "adv.v1.ModelService"}});
  names.push_back({{"service", "adv.v1.ServerService"}});
  return names;
}

bool HasScheme(const std::string& server) {
  for (const char* scheme :
       {"dns:", "ipv4:", "ipv6:", "unix:", "unix-abstract:", "vsock:"}) {
    if (absl::StartsWith(server, scheme)) return true;
  }
  return false;
}

struct HostPort {
  std::string host, port;
};

absl::StatusOr<HostPort> SplitAddress(const std::string& address) {
  const auto wrong = [&] {
    return absl::InvalidArgumentError(absl::StrCat(
        "--server: '", address,
        "' is not an address; write HOST or HOST:PORT with a port from 1 to "
        "65535, for example localhost:50051"));
  };
  HostPort result{address, kDefaultPort};
  const std::size_t colon = address.rfind(':');
  const std::size_t bracket = address.rfind(']');
  const bool has_port = colon != std::string::npos &&
                        (bracket == std::string::npos || colon > bracket);
  if (has_port) {
    result = {address.substr(0, colon), address.substr(colon + 1)};
  }
  const bool in_brackets =
      absl::StartsWith(result.host, "[") && absl::EndsWith(result.host, "]");
  if (absl::StrContains(result.host, ':') && !in_brackets &&
      !absl::StrContains(result.host, '/')) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--server: '", address,
        "' is not an address; an IPv6 address stands in brackets, for example "
        "[::1]:50051"));
  }
  int port = 0;
  if (result.host.empty() || !absl::SimpleAtoi(result.port, &port) ||
      port < 1 || port > 65535 ||
      result.host.find_first_of(" /,") != std::string::npos) {
    return wrong();
  }
  return result;
}

absl::StatusOr<std::string> Resolve(const HostPort& address) {
  addrinfo hints{};
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error =
      getaddrinfo(address.host.c_str(), address.port.c_str(), &hints, &found);
  if (error != 0) {
    return absl::UnavailableError(absl::StrCat(
        "--server: cannot resolve ", address.host, ": ", gai_strerror(error)));
  }
  std::vector<std::string> numbers;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    char text[INET_ADDRSTRLEN];
    const auto* in = reinterpret_cast<const sockaddr_in*>(one->ai_addr);
    inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text));
    numbers.push_back(absl::StrCat(text, ":", address.port));
  }
  freeaddrinfo(found);
  return absl::StrJoin(numbers, ",");
}

bool IsLoopback(const std::string& target) {
  return absl::StrContains(target, "localhost:") ||
         absl::StrContains(target, "127.0.0.1:") ||
         absl::StrContains(target, "[::1]:") ||
         absl::StartsWith(target, "unix");
}

}  // namespace

std::string ServiceConfig(const std::string& balance) {
  json config = {{"methodConfig",
                  {{{"name", RetriedNames()},
                    {"retryPolicy",
                     {{"maxAttempts", 5},
                      {"initialBackoff", "0.2s"},
                      {"maxBackoff", "3s"},
                      {"backoffMultiplier", 2},
                      {"retryableStatusCodes",
                       {"UNAVAILABLE", "RESOURCE_EXHAUSTED"}}}}}}}};
  if (!balance.empty()) {
    config["loadBalancingConfig"] = {{{balance, json::object()}}};
    config["healthCheckConfig"] = {
        {"serviceName", "adv.v1.AttackEvaluationService"}};
  }
  return config.dump();
}

absl::StatusOr<std::string> TargetOf(const std::string& server) {
  if (HasScheme(server)) return server;
  std::vector<HostPort> addresses;
  for (const auto piece : absl::StrSplit(server, ',')) {
    auto address = SplitAddress(std::string(piece));
    if (!address.ok()) return address.status();
    addresses.push_back(*std::move(address));
  }
  if (addresses.size() == 1) {
    return absl::StrCat("dns:///", addresses[0].host, ":", addresses[0].port);
  }
  std::vector<std::string> resolved;
  for (const HostPort& address : addresses) {
    if (absl::StartsWith(address.host, "[")) {
      return absl::InvalidArgumentError(absl::StrCat(
          "--server: '", address.host,
          "' stands in a list, whose addresses are names or IPv4; a list of "
          "IPv6 alone is ipv6:[::1]:50051,[::1]:50052"));
    }
    auto numbers = Resolve(address);
    if (!numbers.ok()) return numbers.status();
    resolved.push_back(*std::move(numbers));
  }
  return absl::StrCat("ipv4:", absl::StrJoin(resolved, ","));
}

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& target,
                                           const std::string& balance) {
  grpc::ChannelArguments arguments;
  arguments.SetServiceConfigJSON(ServiceConfig(balance));
  arguments.SetMaxReceiveMessageSize(kMaxReplyBytes);
  arguments.SetUserAgentPrefix("advctl/" ADV_VERSION);
  // A proxy for the web is no way to one's own machine.
  if (IsLoopback(target)) arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(),
                                   arguments);
}

}  // namespace adv
