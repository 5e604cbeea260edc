#include "server/signals.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>

namespace adv {
namespace {

using Steady = std::chrono::steady_clock;

// The handler's end and the readers' end of a pipe. A handler may do little
// more than write a byte.
int to_readers = -1;
int from_handler = -1;

extern "C" void OnSignal(int signal) {
  // The handler may interrupt code that is about to read errno.
  const int error = errno;
  const auto byte = static_cast<unsigned char>(signal);
  // A full pipe holds thousands of signals that nobody has asked for.
  [[maybe_unused]] const ssize_t written = write(to_readers, &byte, 1);
  errno = error;
}

void Catch(int number) {
  struct sigaction action = {};
  action.sa_handler = OnSignal;
  // System calls of other threads go on after the handler.
  action.sa_flags = SA_RESTART;
  // No second signal interrupts the handler.
  sigfillset(&action.sa_mask);
  sigaction(number, &action, nullptr);
}

bool IsIgnored(int number) {
  struct sigaction action = {};
  return sigaction(number, nullptr, &action) == 0 &&
         action.sa_handler == SIG_IGN;
}

}  // namespace

void CatchSignals() {
  signal(SIGPIPE, SIG_IGN);
  int ends[2];
  // The pipe must not block: neither the handler, nor a reader that another
  // reader was faster than.
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) std::abort();
  from_handler = ends[0];
  to_readers = ends[1];
  Catch(SIGTERM);
  Catch(SIGINT);
  if (!IsIgnored(SIGHUP)) Catch(SIGHUP);
}

int NextSignal(std::optional<std::chrono::milliseconds> limit) {
  const Steady::time_point end =
      Steady::now() + limit.value_or(std::chrono::milliseconds(0));
  while (true) {
    unsigned char byte = 0;
    if (read(from_handler, &byte, 1) == 1) return byte;
    int patience = -1;
    if (limit) {
      const auto left =
          // Rounded up: with 0 poll would return at once, again and again.
          std::chrono::ceil<std::chrono::milliseconds>(end - Steady::now());
      if (left.count() <= 0) return 0;
      // A minute at a time, since poll takes an int.
      patience = static_cast<int>(std::min<int64_t>(left.count(), 60'000));
    }
    pollfd readable{from_handler, POLLIN, 0};
    poll(&readable, 1, patience);  // a signal may end it; then it looks again
  }
}

}  // namespace adv
