#ifndef ADV_CLIENT_SESSION_INTERRUPTS_H_
#define ADV_CLIENT_SESSION_INTERRUPTS_H_

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace adv {

// Turns Ctrl-C (SIGINT) into calls. Make one before gRPC starts threads: they
// inherit the blocked signal. At most one at a time. Thread-safe.
class Interrupts {
 public:
  Interrupts();
  // Ctrl-C kills the process again.
  ~Interrupts();
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;

  // Called on another thread at each Ctrl-C from now on; at once if there has
  // been one already. An empty function ends that; on return no call runs.
  void OnInterrupt(std::function<void()> call);

  // How many so far.
  int count();

  // Waits until there have been `count` of them; false after `limit`.
  bool WaitFor(int count, std::chrono::milliseconds limit);

 private:
  void Listen();

  int signal_fd_;
  int stop_fd_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int count_ = 0;
  std::function<void()> call_;
  std::thread listener_;
};

}  // namespace adv

#endif  // ADV_CLIENT_SESSION_INTERRUPTS_H_
