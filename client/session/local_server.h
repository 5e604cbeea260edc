#ifndef ADV_CLIENT_SESSION_LOCAL_SERVER_H_
#define ADV_CLIENT_SESSION_LOCAL_SERVER_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace adv {

// A private advserver: a child process on a free loopback port, without state
// on disk, that dies with this process. Not thread-safe.
class LocalServer {
 public:
  // Finds advserver ($ADVCTL_ADVSERVER, beside this program, in the build tree,
  // on PATH), starts it with `flags` beside those of its own, and waits
  // until it listens. Errors: Unavailable, with the end of its log.
  static absl::StatusOr<std::unique_ptr<LocalServer>> Start(
      const std::vector<std::string>& flags);

  // Kills it; removes its log unless KeepLog was called.
  ~LocalServer();
  LocalServer(const LocalServer&) = delete;
  LocalServer& operator=(const LocalServer&) = delete;

  // HOST:PORT.
  const std::string& address() const { return address_; }

  // Where it logs; the file stays for someone to read.
  const std::string& log_path() {
    keep_log_ = true;
    return log_path_;
  }

 private:
  LocalServer() = default;
  absl::Status Spawn(const std::vector<std::string>& arguments);
  absl::Status WaitForAddress();

  pid_t child_ = -1;
  int output_ = -1;  // read end of its stdout
  std::string address_;
  std::string log_path_;
  bool keep_log_ = false;
};

}  // namespace adv

#endif  // ADV_CLIENT_SESSION_LOCAL_SERVER_H_
