// A library that a test has loaded into the server, so that each connection
// leaks what the variable ADV_LEAK names: memory, descriptors or threads.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <list>
#include <string>
#include <thread>

namespace {

constexpr std::size_t kBytes = std::size_t{1} << 20;

// Called by the one thread that accepts.
void Leak(const std::string& what) {
  if (what == "memory") {
    // A compiler would leave out memory that nobody can reach.
    static std::list<std::string> kept;
    kept.emplace_back(kBytes, 'x');
  } else if (what == "descriptors") {
    open("/dev/null", O_RDONLY | O_CLOEXEC);
  } else if (what == "threads") {
    std::thread([] {
      while (true) pause();
    }).detach();
  }
}

}  // namespace

extern "C" int accept4(int listening, sockaddr* address, socklen_t* length,
                       int flags) {
  using Accept = int (*)(int, sockaddr*, socklen_t*, int);
  static const auto accept =
      reinterpret_cast<Accept>(dlsym(RTLD_NEXT, "accept4"));
  const int connection = accept(listening, address, length, flags);
  const char* what = std::getenv("ADV_LEAK");
  if (connection >= 0 && what != nullptr) Leak(what);
  return connection;
}
