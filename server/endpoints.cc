#include "server/endpoints.h"

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/strip.h>

#include <tuple>
#include <utility>

#include "model_store/durable_file.h"
#include "model_store/names.h"
#include "net/address.h"

namespace adv {
namespace {

// A path that was given by mistake must not fill the memory.
constexpr uint64_t kMostPemBytes = uint64_t{1} << 20;
// Other servers have other ports, so there is no default.
constexpr AddressRules kServers{/*lowest_port=*/1,
                                /*default_port=*/std::nullopt,
                                /*may_be_unix=*/false};

absl::Status Wrong(const std::string& text, absl::string_view fault) {
  return absl::InvalidArgumentError(absl::StrCat(
      "--endpoint: \"", text, "\" ", fault,
      "; write NAME=grpc://HOST:PORT, or grpcs:// for TLS, the name with ",
      kModelNameRule));
}

// Reads a PEM file into `text`, which stays empty for an empty path. Errors
// name the option.
absl::Status ReadPem(const char* option, const std::string& path,
                     std::string* text) {
  if (path.empty()) return absl::OkStatus();
  absl::StatusOr<std::string> content = ReadFile(path, kMostPemBytes);
  if (!content.ok()) {
    return absl::Status(content.status().code(),
                        absl::StrCat(option, ": ", content.status().message()));
  }
  *text = *std::move(content);
  return absl::OkStatus();
}

// Fills in name, address and whether the endpoint is asked over TLS.
absl::Status ParseEndpoint(const std::string& text, EndpointOptions* endpoint) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos) return Wrong(text, "has no '='");
  endpoint->name = text.substr(0, equals);
  // Names become labels of metrics and stand in files of stores.
  if (!IsValidModelName(endpoint->name)) return Wrong(text, "has a bad name");
  absl::string_view url = absl::string_view(text).substr(equals + 1);
  endpoint->tls = absl::ConsumePrefix(&url, "grpcs://");
  if (!endpoint->tls && !absl::ConsumePrefix(&url, "grpc://")) {
    return Wrong(text, "has no scheme that is known");
  }
  const absl::StatusOr<Address> address = ParseAddress(url, kServers);
  if (!address.ok()) return Wrong(text, address.status().message());
  endpoint->target = ToString(*address);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Endpoints> MakeEndpoints(const Options& options) {
  // Only name and address differ between endpoints.
  EndpointOptions common;
  common.timeout = options.endpoint_timeout;
  common.retries = options.endpoint_retries;
  common.requests = options.endpoint_requests;
  common.queries_per_second = options.max_queries_per_second;
  for (const auto& [option, path, text] :
       {std::tuple("--endpoint-roots", &options.endpoint_roots, &common.roots),
        std::tuple("--endpoint-certificate", &options.endpoint_certificate,
                   &common.certificate),
        std::tuple("--endpoint-key", &options.endpoint_key, &common.key)}) {
    absl::Status status = ReadPem(option, *path, text);
    if (!status.ok()) return status;
  }
  if (common.certificate.empty() != common.key.empty()) {
    return absl::InvalidArgumentError(
        "--endpoint-certificate and --endpoint-key are needed together");
  }
  Endpoints endpoints;
  for (const std::string& text : options.endpoints) {
    EndpointOptions each = common;
    absl::Status status = ParseEndpoint(text, &each);
    if (!status.ok()) return status;
    if (endpoints.count(each.name) != 0) {
      return Wrong(text, "has the name of another endpoint");
    }
    endpoints[each.name] = std::make_shared<Endpoint>(each);
  }
  return endpoints;
}

}  // namespace adv
