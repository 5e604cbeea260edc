#include "net/address.h"

#include <absl/strings/ascii.h>
#include <absl/strings/escaping.h>
#include <absl/strings/match.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/strip.h>
#include <arpa/inet.h>

#include <algorithm>
#include <cstddef>

namespace adv {
namespace {

constexpr char kUnix[] = "unix:";
constexpr int kHighestPort = 65535;

// Whether the text has several colons, or a bracket. Such a text gets a hint
// about brackets.
bool LooksLikeIpv6(absl::string_view text) {
  return !absl::StrContains(text, '/') &&
         (absl::StartsWith(text, "[") || absl::StrContains(text, ']') ||
          std::count(text.begin(), text.end(), ':') > 1);
}

// The one error for any fault: it quotes the text and says how to write it.
absl::Status Wrong(absl::string_view text, const AddressRules& rules) {
  return absl::InvalidArgumentError(absl::StrCat(
      "'", absl::CHexEscape(text), "' is not an address; ",
      LooksLikeIpv6(text) ? "an IPv6 address stands in brackets; " : "",
      "write ", rules.default_port ? "HOST or " : "",
      "HOST:PORT with a port from ", rules.lowest_port, " to ", kHighestPort,
      ", for example localhost:50051 or [::1]:50051",
      rules.may_be_unix ? ", or unix:PATH" : ""));
}

bool IsIpv6(const std::string& host) {
  in6_addr address{};
  return inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

// Whether the letters are those of a host name or an IPv4 address. Digits alone
// are not a host but a port whose host was forgotten.
bool IsName(absl::string_view host) {
  const auto fits = [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' ||
           c == '-' || c == '_';
  };
  return !host.empty() && std::all_of(host.begin(), host.end(), fits) &&
         !std::all_of(host.begin(), host.end(), absl::ascii_isdigit);
}

// The port, or nothing. SimpleAtoi alone would also take blanks and a sign.
std::optional<int> ParsePort(absl::string_view text, int lowest) {
  int port = 0;
  if (text.empty() ||
      !std::all_of(text.begin(), text.end(), absl::ascii_isdigit) ||
      !absl::SimpleAtoi(text, &port) || port < lowest || port > kHighestPort) {
    return std::nullopt;
  }
  return port;
}

}  // namespace

absl::StatusOr<Address> ParseAddress(absl::string_view text,
                                     const AddressRules& rules) {
  Address address;
  absl::string_view rest = text;
  if (absl::ConsumePrefix(&rest, kUnix)) {
    if (!rules.may_be_unix || rest.empty()) return Wrong(text, rules);
    address.unix_path = std::string(rest);
    return address;
  }
  // The last colon stands before the port, unless it is within brackets.
  const size_t bracket = text.rfind(']');
  const size_t colon = text.rfind(':');
  const bool has_port = colon != absl::string_view::npos &&
                        (bracket == absl::string_view::npos || colon > bracket);
  absl::string_view host = text.substr(0, has_port ? colon : text.size());
  // Both or none: with half a pair, what is left might be a name.
  const bool brackets =
      absl::StartsWith(host, "[") && absl::EndsWith(host, "]");
  if (brackets) host = host.substr(1, host.size() - 2);
  address.host = std::string(host);
  const std::optional<int> port =
      has_port ? ParsePort(text.substr(colon + 1), rules.lowest_port)
               : rules.default_port;
  if (!port || (brackets ? !IsIpv6(address.host) : !IsName(host))) {
    return Wrong(text, rules);
  }
  address.port = *port;
  return address;
}

std::string ToString(const Address& address) {
  if (address.is_unix()) return absl::StrCat(kUnix, address.unix_path);
  return IsIpv6(address.host)
             ? absl::StrCat("[", address.host, "]:", address.port)
             : absl::StrCat(address.host, ":", address.port);
}

bool IsLoopback(const Address& address) {
  if (address.is_unix()) return true;
  in_addr v4{};
  if (inet_pton(AF_INET, address.host.c_str(), &v4) == 1) {
    // All of 127.0.0.0/8 is loopback, not 127.0.0.1 alone.
    return ntohl(v4.s_addr) >> 24 == 127;
  }
  in6_addr v6{};
  if (inet_pton(AF_INET6, address.host.c_str(), &v6) == 1) {
    return IN6_IS_ADDR_LOOPBACK(&v6);
  }
  return absl::AsciiStrToLower(address.host) == "localhost";
}

}  // namespace adv
