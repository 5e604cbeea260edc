// A library that a test has loaded into the server, so that files fail.
//   ADV_SHORT_READS=N  no read gives more than N bytes
//   ADV_IO_ERRORS=F    while the file F is there, files whose path contains the
//                      text in F can neither be read nor written (EIO)
#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <string>

namespace {

template <typename Function>
Function* Real(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

const auto real_read = Real<ssize_t(int, void*, size_t)>("read");

std::size_t Most(std::size_t size) {
  static const char* const most = std::getenv("ADV_SHORT_READS");
  return most == nullptr ? size : std::min<std::size_t>(size, std::atoi(most));
}

// The text in the switch, empty if the switch is off.
std::string Switch() {
  static const char* const path = std::getenv("ADV_IO_ERRORS");
  const int file = path == nullptr ? -1 : open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return "";
  std::array<char, 4096> text;
  const ssize_t size = real_read(file, text.data(), text.size());
  close(file);
  return {text.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
}

// Whether the file fails now, with errno set.
bool Fails(int file) {
  const std::string text = Switch();
  if (text.empty()) return false;
  std::array<char, 4096> path;
  const ssize_t size =
      readlink(("/proc/self/fd/" + std::to_string(file)).c_str(), path.data(),
               path.size());
  if (size < 0 ||
      std::string(path.data(), size).find(text) == std::string::npos) {
    return false;
  }
  errno = EIO;
  return true;
}

}  // namespace

extern "C" ssize_t read(int file, void* bytes, size_t size) {
  return Fails(file) ? -1 : real_read(file, bytes, Most(size));
}

extern "C" ssize_t pread64(int file, void* bytes, size_t size, off64_t at) {
  static const auto real =
      Real<ssize_t(int, void*, size_t, off64_t)>("pread64");
  return Fails(file) ? -1 : real(file, bytes, Most(size), at);
}

extern "C" ssize_t pwrite64(int file, const void* bytes, size_t size,
                            off64_t at) {
  static const auto real =
      Real<ssize_t(int, const void*, size_t, off64_t)>("pwrite64");
  return Fails(file) ? -1 : real(file, bytes, size, at);
}
