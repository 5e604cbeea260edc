#ifndef ADV_CLIENT_SESSION_LOCAL_SERVER_H_
#define ADV_CLIENT_SESSION_LOCAL_SERVER_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace adv {

// A private advserver: a child process on a free loopback port, without state
// on disk. It dies with this process. Not thread-safe.
class LocalServer {
 public:
  // Finds advserver ($ADVCTL_ADVSERVER, beside this program, in the build tree,
  // on PATH), starts it with `flags` beside its own ones, and waits until it
  // listens. Errors: Unavailable, with the end of its log.
  static absl::StatusOr<std::unique_ptr<LocalServer>> Start(
      const std::vector<std::string>& flags);

  // Kills the server. Removes its log unless log_path() was called or the
  // server did not listen.
  ~LocalServer();
  LocalServer(const LocalServer&) = delete;
  LocalServer& operator=(const LocalServer&) = delete;

  // HOST:PORT.
  const std::string& address() const { return address_; }

  // The log's path. After this call the file stays, so that people can read it.
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
