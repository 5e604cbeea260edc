#include "client/session/interrupts.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cstdint>
#include <utility>

namespace adv {
namespace {

sigset_t Handled() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  return set;
}

}  // namespace

Interrupts::Interrupts() {
  const sigset_t set = Handled();
  // A signalfd only gets signals that every thread blocks.
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  // A private server must not inherit the descriptors.
  signal_fd_ = signalfd(-1, &set, SFD_CLOEXEC);
  stop_fd_ = eventfd(0, EFD_CLOEXEC);
  listener_ = std::thread([this] { Listen(); });
}

Interrupts::~Interrupts() {
  const std::uint64_t one = 1;
  // The write wakes the listener, which must have ended before its descriptors
  // close.
  if (write(stop_fd_, &one, sizeof(one)) == sizeof(one)) listener_.join();
  close(signal_fd_);
  close(stop_fd_);
  const sigset_t set = Handled();
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

void Interrupts::Listen() {
  pollfd wait[] = {{signal_fd_, POLLIN, 0}, {stop_fd_, POLLIN, 0}};
  for (;;) {
    if (poll(wait, 2, -1) < 0) continue;  // EINTR
    // The end comes before a signal that arrived at the same time.
    if (wait[1].revents != 0) return;
    signalfd_siginfo info;
    if (read(signal_fd_, &info, sizeof(info)) != sizeof(info)) continue;
    const std::lock_guard<std::mutex> lock(mutex_);
    ++count_;
    changed_.notify_all();
    // Called under the lock, so that OnInterrupt({}) waits for a running call.
    if (call_) call_();
  }
}

void Interrupts::OnInterrupt(std::function<void()> call) {
  const std::lock_guard<std::mutex> lock(mutex_);
  call_ = std::move(call);
  // A Ctrl-C that came while there was no function is not lost.
  if (call_ && count_ > 0) call_();
}

int Interrupts::count() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return count_;
}

bool Interrupts::WaitFor(int count, std::chrono::milliseconds limit) {
  std::unique_lock<std::mutex> lock(mutex_);
  return changed_.wait_for(lock, limit, [&] { return count_ >= count; });
}

}  // namespace adv
