#include "client/session/channel.h"

#include <arpa/inet.h>
#include <netdb.h>

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/support/channel_arguments.h"
#include "net/address.h"
#include "nlohmann/json.hpp"

namespace adv {
namespace {

using nlohmann::json;

constexpr int kDefaultPort = 50051;
// Pages of records and saved images may be larger than gRPC's default of 4 MiB.
constexpr int kMaxReplyBytes = 256 << 20;
// gRPC repeats only calls whose request it has kept. Its default of 256 KiB
// holds 85 small images.
constexpr int kRepeatedRequestBytes = 16 << 20;

// The calls that may be repeated. DeleteEvaluation is not among them: a second
// delete gives NOT_FOUND.
constexpr const char* kIdempotent[] = {"Classify",
                                       "GenerateAdversarial",
                                       "EvaluateRobustness",
                                       "GetEvaluation",
                                       "ListEvaluations",
                                       "CancelEvaluation",
                                       "ListEvaluationRecords"};

// A service without a method stands for all of its calls.
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

// Whether gRPC knows the target as it is.
bool HasScheme(const std::string& server) {
  constexpr const char* kSchemes[] = {
      "dns:", "ipv4:", "ipv6:", "unix:", "unix-abstract:", "vsock:"};
  return std::any_of(
      std::begin(kSchemes), std::end(kSchemes),
      [&](const char* scheme) { return absl::StartsWith(server, scheme); });
}

absl::StatusOr<Address> ParseServer(absl::string_view text) {
  AddressRules rules;
  rules.lowest_port = 1;
  rules.default_port = kDefaultPort;
  absl::StatusOr<Address> address = ParseAddress(text, rules);
  if (!address.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--server: ", address.status().message()));
  }
  return address;
}

// All IPv4 addresses of a host as "1.2.3.4:50051,1.2.3.5:50051".
absl::StatusOr<std::string> Resolve(const Address& address) {
  addrinfo hints{};
  // gRPC's "ipv4:" scheme takes a list, which cannot mix with IPv6.
  hints.ai_family = AF_INET;
  // Without a type each address would come once for every type.
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(
      address.host.c_str(), absl::StrCat(address.port).c_str(), &hints, &found);
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

}  // namespace

std::string ServiceConfig(const std::string& balance) {
  json config = {{"methodConfig",
                  {{{"name", RetriedNames()},
                    {"retryPolicy",
                     {{"maxAttempts", 5},
                      {"initialBackoff", "0.2s"},
                      {"maxBackoff", "3s"},
                      {"backoffMultiplier", 2},
                      // A queue that is full answers RESOURCE_EXHAUSTED and may
                      // soon have room.
                      {"retryableStatusCodes",
                       {"UNAVAILABLE", "RESOURCE_EXHAUSTED"}}}}}}}};
  if (!balance.empty()) {
    config["loadBalancingConfig"] = {{{balance, json::object()}}};
    // Without health checks, calls would go to servers whose models are not
    // loaded yet.
    config["healthCheckConfig"] = {
        {"serviceName", "adv.v1.AttackEvaluationService"}};
  }
  return config.dump();
}

absl::StatusOr<std::string> TargetOf(const std::string& server) {
  if (HasScheme(server)) return server;
  std::vector<Address> addresses;
  for (const auto piece : absl::StrSplit(server, ',')) {
    auto address = ParseServer(absl::StripAsciiWhitespace(piece));
    if (!address.ok()) return address.status();
    addresses.push_back(*std::move(address));
  }
  // gRPC resolves a single name on its own.
  if (addresses.size() == 1) {
    return absl::StrCat("dns:///", ToString(addresses[0]));
  }
  std::vector<std::string> resolved;
  for (const Address& address : addresses) {
    if (absl::StrContains(address.host, ':')) {
      return absl::InvalidArgumentError(absl::StrCat(
          "--server: '[", address.host,
          "]' stands in a list, whose addresses are names or IPv4; a list of "
          "IPv6 alone is ipv6:[::1]:50051,[::1]:50052"));
    }
    auto numbers = Resolve(address);
    if (!numbers.ok()) return numbers.status();
    resolved.push_back(*std::move(numbers));
  }
  return absl::StrCat("ipv4:", absl::StrJoin(resolved, ","));
}

bool IsOfThisMachine(absl::string_view target) {
  if (absl::StartsWith(target, "unix")) return true;
  // "dns:///" comes before "dns:", which is its beginning.
  for (const char* scheme : {"dns:///", "dns:", "ipv4:", "ipv6:"}) {
    if (absl::ConsumePrefix(&target, scheme)) break;
  }
  const std::vector<absl::string_view> pieces = absl::StrSplit(target, ',');
  return std::all_of(pieces.begin(), pieces.end(), [](absl::string_view piece) {
    const auto address = ParseAddress(piece);
    return address.ok() && IsLoopback(*address);
  });
}

std::shared_ptr<grpc::Channel> MakeChannel(
    const std::string& target, const std::string& balance,
    const std::shared_ptr<grpc::ChannelCredentials>& credentials,
    const std::string& server_name) {
  grpc::ChannelArguments arguments;
  arguments.SetServiceConfigJSON(ServiceConfig(balance));
  arguments.SetMaxReceiveMessageSize(kMaxReplyBytes);
  arguments.SetInt(GRPC_ARG_PER_RPC_RETRY_BUFFER_SIZE, kRepeatedRequestBytes);
  arguments.SetUserAgentPrefix("advctl/" ADV_VERSION);
  // A web proxy could not reach this machine.
  if (IsOfThisMachine(target)) arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  if (!server_name.empty()) arguments.SetSslTargetNameOverride(server_name);
  return grpc::CreateCustomChannel(target, credentials, arguments);
}

}  // namespace adv
