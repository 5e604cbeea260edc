#ifndef ADV_SERVER_WIRE_ACCEPTOR_H_
#define ADV_SERVER_WIRE_ACCEPTOR_H_

#include <absl/status/status.h>

#include <atomic>
#include <functional>
#include <memory>
#include <thread>

#include "server/telemetry/log.h"
#include "server/wire/listener.h"

namespace adv {

// Raises this process's limit of open files as far as it may, and returns it.
int RaiseFileLimit();

// Accepts the connections of a listener, on a thread of its own. gRPC's own
// listener is deaf for ever once the process has no descriptor left; this one
// leaves connections in the kernel's queue as long as there are too many, and
// leaves descriptors for files.
class Acceptor {
 public:
  // Takes over the connection and its descriptor.
  using Take = std::function<void(int listening, int connection)>;

  // About `most` connections are open at once, fewer if the limit of open
  // files holds fewer. `log` must outlive it.
  Acceptor(std::unique_ptr<Listener> listener, int most, Take take, Log* log);
  // Stop(), if that has not happened.
  ~Acceptor();
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  // Accepts nothing more and listens no longer. Once, from one thread.
  void Stop();

  // False while connections must wait because there are too many.
  bool accepting() const { return accepting_; }

 private:
  void Loop();
  // False if the next connection must wait.
  bool HasRoom() const;
  // False if the system has no room for a connection.
  bool TakeAll(int listening);
  void SetAccepting(bool accepting);

  std::unique_ptr<Listener> listener_;
  const Take take_;
  Log& log_;
  const int stop_;  // an eventfd
  const int most_descriptors_;
  std::atomic<bool> accepting_{true};
  std::thread thread_;
};

}  // namespace adv

#endif  // ADV_SERVER_WIRE_ACCEPTOR_H_
