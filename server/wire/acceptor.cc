#include "server/wire/acceptor.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <utility>
#include <vector>

namespace adv {
namespace {

// The time between two looks whether there is room again.
constexpr int kFullMilliseconds = 100;
// The descriptors kept for files and the metrics port; under a small limit,
// this share of it.
constexpr int kReserve = 128;
constexpr int kReserveShare = 4;

int FileLimit() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  return static_cast<int>(std::min<rlim_t>(limit.rlim_cur, INT_MAX));
}

// The system always gives the lowest free descriptor, so its number is about
// the number in use. INT_MAX if none is free.
int LowestFreeDescriptor(int any) {
  const int lowest = fcntl(any, F_DUPFD_CLOEXEC, 0);
  if (lowest < 0) return INT_MAX;
  close(lowest);
  return lowest;
}

// The number that the lowest free descriptor must stay below for a connection
// to be accepted: `most` more than are in use at the start, but never so many
// that the reserve for files is touched. `any` is any open descriptor.
int MostDescriptors(int any, int most) {
  const int limit = FileLimit();
  const int for_connections = limit - std::min(kReserve, limit / kReserveShare);
  const int in_use = LowestFreeDescriptor(any);
  // The sum must not overflow. INT_MAX means that no descriptor is free.
  return in_use < INT_MAX - most ? std::min(for_connections, in_use + most)
                                 : for_connections;
}

}  // namespace

int RaiseFileLimit() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  return FileLimit();
}

Acceptor::Acceptor(std::unique_ptr<Listener> listener, int most, Take take,
                   Log* log)
    : listener_(std::move(listener)),
      take_(std::move(take)),
      log_(*log),
      stop_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      most_descriptors_(MostDescriptors(stop_, most)),
      // The thread comes last, because Loop uses all other members.
      thread_([this] { Loop(); }) {}

Acceptor::~Acceptor() {
  // Stop takes the listener away, so it is gone if Stop was called before.
  if (listener_ != nullptr) Stop();
  close(stop_);
}

void Acceptor::Stop() {
  // The thread polls the sockets, so they stay open until it has ended.
  eventfd_write(stop_, 1);
  thread_.join();
  listener_.reset();
}

bool Acceptor::HasRoom() const {
  return LowestFreeDescriptor(stop_) < most_descriptors_;
}

void Acceptor::SetAccepting(bool accepting) {
  // Only a change is logged. A full server looks ten times a second.
  if (accepting_.exchange(accepting) == accepting) return;
  if (accepting) {
    log_.Info("connections_accepted_again");
  } else {
    log_.Warning("connections_full", {{"descriptors", most_descriptors_}});
  }
}

void Acceptor::Loop() {
  // While connections must wait, poll asks only the first entry, stop_.
  std::vector<pollfd> polled = {{stop_, POLLIN, 0}};
  for (const int socket : listener_->sockets()) {
    polled.push_back({socket, POLLIN, 0});
  }
  bool taken = true;
  while (true) {
    // After a failed accept the sockets stay readable. The pause below keeps
    // this loop from spinning.
    const bool accepting = taken && HasRoom();
    SetAccepting(accepting);
    poll(polled.data(), accepting ? polled.size() : 1,
         accepting ? -1 : kFullMilliseconds);
    if (polled[0].revents != 0) return;
    taken = true;
    // The sockets were not polled: what the entries say of them is old.
    if (!accepting) continue;
    for (size_t i = 1; i < polled.size(); ++i) {
      if (polled[i].revents != 0) taken &= TakeAll(polled[i].fd);
    }
  }
}

bool Acceptor::TakeAll(int listening) {
  // The sockets do not block, so all waiting connections are taken at once.
  while (HasRoom()) {
    const int connection =
        accept4(listening, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (connection >= 0) {
      take_(listening, connection);
    } else if (errno == EAGAIN) {
      return true;
      // ECONNABORTED is the fault of one peer; the others wait behind it.
    } else if (errno != EINTR && errno != ECONNABORTED) {
      return false;
    }
  }
  return true;
}

}  // namespace adv
