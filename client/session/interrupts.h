#ifndef ADV_CLIENT_SESSION_INTERRUPTS_H_
#define ADV_CLIENT_SESSION_INTERRUPTS_H_

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace adv {

// Turns Ctrl-C (SIGINT) into calls. Make one before gRPC starts threads,
// because threads inherit the blocked signal. There may be one at a time.
// Thread-safe.
class Interrupts {
 public:
  Interrupts();
  // From here on Ctrl-C kills the process again.
  ~Interrupts();
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;

  // Sets a function that is called on another thread at each Ctrl-C from now
  // on, and at once if there has been one already. An empty function ends that:
  // when OnInterrupt returns, no call runs.
  void OnInterrupt(std::function<void()> call);

  // The number of Ctrl-C so far.
  int count();

  // Waits until there have been `count` of them. False if `limit` passes first.
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
