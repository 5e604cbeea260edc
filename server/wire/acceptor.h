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

// Raises this process's limit of open files as far as allowed, and returns it.
int RaiseFileLimit();

// Accepts the connections of a listener, on a thread of its own. gRPC's own
// listener never accepts again once the process has run out of descriptors.
// This one leaves connections in the kernel's queue while there are too many,
// and keeps descriptors free for files.
class Acceptor {
 public:
  // Takes over the connection with its descriptor.
  using Take = std::function<void(int listening, int connection)>;

  // Keeps about `most` connections open at once, fewer if the limit of open
  // files allows fewer. `log` must outlive it.
  Acceptor(std::unique_ptr<Listener> listener, int most, Take take, Log* log);
  // Calls Stop() unless it was called before.
  ~Acceptor();
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  // Accepts no more connections and stops listening. To be called once, from
  // one thread.
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
