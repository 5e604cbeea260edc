#ifndef ADV_NET_ADDRESS_H_
#define ADV_NET_ADDRESS_H_

#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>

#include <optional>
#include <string>

namespace adv {

// The address at which a program listens or which it calls: a TCP port of a
// host, or a Unix socket.
struct Address {
  std::string host;       // a name or an IP, without brackets
  int port = 0;           // 0 to 65535
  std::string unix_path;  // of a Unix socket; host and port are then unset

  bool is_unix() const { return !unix_path.empty(); }
};

struct AddressRules {
  // 0 if the system may pick a free port.
  int lowest_port = 0;
  // The port of an address that names a host alone. If unset, an address must
  // name its port.
  std::optional<int> default_port = std::nullopt;
  bool may_be_unix = true;
};

// Reads "127.0.0.1:50051", "[::1]:50051", "localhost:50051" or "unix:PATH".
// INVALID_ARGUMENT for anything else, also for an empty host or port; the
// message quotes `text` and says how an address is written.
absl::StatusOr<Address> ParseAddress(absl::string_view text,
                                     const AddressRules& rules = {});

// Writes an address as ParseAddress reads it, with an IPv6 host in brackets.
std::string ToString(const Address& address);

// Whether only this machine can reach it: 127.0.0.0/8, ::1, localhost or a
// Unix socket. Other names are not looked up.
bool IsLoopback(const Address& address);

}  // namespace adv

#endif  // ADV_NET_ADDRESS_H_
