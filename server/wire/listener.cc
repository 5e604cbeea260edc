#include "server/wire/listener.h"

#include <absl/cleanup/cleanup.h>
#include <absl/memory/memory.h>
#include <absl/strings/str_cat.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "net/address.h"

namespace adv {
namespace {

// The error of the system call that failed last. To be called before any other
// call that may change errno.
absl::Status Failed() { return absl::UnavailableError(std::strerror(errno)); }

int NewSocket(int family) {
  return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

// Failures are ignored: without these options the server still works.
void Set(int socket, int level, int option, int value) {
  setsockopt(socket, level, option, &value, sizeof(value));
}

// Locks the folder of `path`. Two programs that start at once on one path could
// each take the other's socket for a stale one, between its bind and its
// listen. The lock ends with the descriptor. Where there are no such locks, it
// does without.
int LockFolderOf(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path();
  const int lock = open(folder.empty() ? "." : folder.c_str(),
                        O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (lock >= 0) flock(lock, LOCK_EX);
  return lock;
}

// Whether a program listens there, even one whose queue is full (EAGAIN).
bool SomebodyListens(const sockaddr_un& address) {
  const int probe = NewSocket(AF_UNIX);
  const bool listens =
      connect(probe, reinterpret_cast<const sockaddr*>(&address),
              sizeof(address)) == 0 ||
      errno == EAGAIN;
  close(probe);
  return listens;
}

bool IsSocket(const std::string& path) {
  struct stat file {};
  return lstat(path.c_str(), &file) == 0 && S_ISSOCK(file.st_mode);
}

// The port in an address of either family, in network byte order.
in_port_t* Port(sockaddr_storage* name) {
  return name->ss_family == AF_INET
             ? &reinterpret_cast<sockaddr_in*>(name)->sin_port
             : &reinterpret_cast<sockaddr_in6*>(name)->sin6_port;
}

// Listens at the address, at `port` in place of its own port if `port` is not
// 0. Returns -1, with errno, if it cannot.
int ListenOn(const addrinfo& address, int port,
             std::chrono::milliseconds patience) {
  sockaddr_storage name{};
  std::memcpy(&name, address.ai_addr, address.ai_addrlen);
  if (port != 0) *Port(&name) = htons(port);
  const int socket = NewSocket(address.ai_family);
  if (socket < 0) return -1;
  // Connections inherit these options when they are accepted. SO_REUSEADDR lets
  // a restarted server take a port that old connections still hold in
  // TIME_WAIT.
  Set(socket, SOL_SOCKET, SO_REUSEADDR, 1);
  Set(socket, IPPROTO_TCP, TCP_NODELAY, 1);
  Set(socket, IPPROTO_TCP, TCP_USER_TIMEOUT,
      static_cast<int>(patience.count()));
  // [::] takes IPv4, too. So does 0.0.0.0 take IPv6, because OpenTcp turns it
  // into [::].
  if (address.ai_family == AF_INET6) Set(socket, IPPROTO_IPV6, IPV6_V6ONLY, 0);
  if (bind(socket, reinterpret_cast<sockaddr*>(&name), address.ai_addrlen) ==
          0 &&
      listen(socket, SOMAXCONN) == 0) {
    return socket;
  }
  // close may change errno, by which the caller decides.
  const int error = errno;
  close(socket);
  errno = error;
  return -1;
}

// The port that the socket has, which the system chose if it was bound to port
// 0.
int PortOf(int socket) {
  sockaddr_storage name{};
  socklen_t size = sizeof(name);
  getsockname(socket, reinterpret_cast<sockaddr*>(&name), &size);
  return ntohs(*Port(&name));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Listener>> Listener::Open(
    const std::string& address, std::chrono::milliseconds patience) {
  const absl::StatusOr<Address> parsed = ParseAddress(address);
  if (!parsed.ok()) return parsed.status();
  auto listener = absl::WrapUnique(new Listener);
  const absl::Status status =
      parsed->is_unix()
          ? listener->OpenUnix(parsed->unix_path)
          : listener->OpenTcp(parsed->host, absl::StrCat(parsed->port),
                              patience);
  if (!status.ok()) return status;
  if (listener->sockets_.empty()) {
    return absl::UnavailableError("the address is not this host's");
  }
  return listener;
}

absl::Status Listener::OpenUnix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // The path and a terminating 0 must fit into the address.
  if (path.size() >= sizeof(address.sun_path)) {
    return absl::UnavailableError(
        absl::StrCat("the path of a socket has at most ",
                     sizeof(address.sun_path) - 1, " bytes"));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  const int lock = LockFolderOf(path);
  const absl::Cleanup unlock = [lock] {
    if (lock >= 0) close(lock);
  };
  if (SomebodyListens(address)) {
    return absl::UnavailableError("another program listens there");
  }
  // Nobody listens there, so a socket file is left over from a dead server. A
  // file of another kind stays, and bind fails.
  if (IsSocket(path)) unlink(path.c_str());
  const int socket = NewSocket(AF_UNIX);
  if (socket < 0) return Failed();
  sockets_.push_back(socket);
  if (bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof(address)) !=
      0) {
    return Failed();
  }
  struct stat file {};
  if (stat(path.c_str(), &file) != 0) return Failed();
  path_ = path;
  // These name our file for sure, so the destructor removes no other program's.
  device_ = file.st_dev;
  inode_ = file.st_ino;
  return listen(socket, SOMAXCONN) == 0 ? absl::OkStatus() : Failed();
}

absl::Status Listener::OpenTcp(const std::string& host, const std::string& port,
                               std::chrono::milliseconds patience) {
  if (host != "0.0.0.0" && host != "::") return Add(host, port, patience);
  const absl::Status status = Add("::", port, patience);
  // A machine without IPv6 gives no socket for [::].
  return status.ok() && sockets_.empty() ? Add("0.0.0.0", port, patience)
                                         : status;
}

absl::Status Listener::Add(const std::string& host, const std::string& port,
                           std::chrono::milliseconds patience) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | AI_PASSIVE;
  addrinfo* found = nullptr;
  const int code = getaddrinfo(host.c_str(), port.c_str(), &hints, &found);
  if (code != 0) return absl::UnavailableError(gai_strerror(code));
  const absl::Cleanup free = [found] { freeaddrinfo(found); };
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    // Port 0 picks a free port for the first address; the others must have the
    // same one.
    const int socket = ListenOn(*one, port_, patience);
    if (socket >= 0) {
      sockets_.push_back(socket);
      port_ = PortOf(socket);
      // An address or a family that this machine lacks is skipped. Any other
      // error, such as a port in use, fails the whole.
    } else if (errno != EADDRNOTAVAIL && errno != EAFNOSUPPORT) {
      return Failed();
    }
  }
  return absl::OkStatus();
}

Listener::~Listener() {
  struct stat file {};
  if (!path_.empty() && stat(path_.c_str(), &file) == 0 &&
      file.st_dev == device_ && file.st_ino == inode_) {
    unlink(path_.c_str());
  }
  // The file goes before the sockets: as long as we listen, no other program
  // takes the path over.
  for (const int socket : sockets_) close(socket);
}

}  // namespace adv
