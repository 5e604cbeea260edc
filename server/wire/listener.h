#ifndef ADV_SERVER_WIRE_LISTENER_H_
#define ADV_SERVER_WIRE_LISTENER_H_

#include <absl/status/statusor.h>
#include <sys/types.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace adv {

// The sockets of one address. They do not block, and child processes do not
// inherit them.
class Listener {
 public:
  // Listens on HOST:PORT, on every address of the host, or on unix:PATH. A peer
  // that acknowledges nothing for `patience` counts as gone. A socket file on
  // which no program listens is taken over. UNAVAILABLE if a program listens on
  // it, or if the address fails for another reason.
  static absl::StatusOr<std::unique_ptr<Listener>> Open(
      const std::string& address, std::chrono::milliseconds patience);
  // Closes the sockets. Removes the socket file, unless another program has put
  // its own there.
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  const std::vector<int>& sockets() const { return sockets_; }
  // 0 for a Unix socket.
  int port() const { return port_; }

 private:
  Listener() = default;
  absl::Status OpenUnix(const std::string& path);
  absl::Status OpenTcp(const std::string& host, const std::string& port,
                       std::chrono::milliseconds patience);
  // Adds all addresses of the host that this machine has.
  absl::Status Add(const std::string& host, const std::string& port,
                   std::chrono::milliseconds patience);

  std::vector<int> sockets_;
  int port_ = 0;
  std::string path_;  // our socket file; empty: none
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace adv

#endif  // ADV_SERVER_WIRE_LISTENER_H_
