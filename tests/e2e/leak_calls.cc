// Loses something with each call of gRPC, on purpose: about 10 kB, or with
// LEAK_DESCRIPTORS set some descriptors. For LD_PRELOAD.
#include <dlfcn.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

namespace {

// Others might read these, so the compiler leaves nothing out.
void* volatile lost_memory = nullptr;
volatile int lost_descriptor = 0;

}  // namespace

struct grpc_call;

extern "C" void grpc_call_unref(grpc_call* call) {
  static const bool descriptors = std::getenv("LEAK_DESCRIPTORS") != nullptr;
  static const auto real = reinterpret_cast<void (*)(grpc_call*)>(
      dlsym(RTLD_NEXT, "grpc_call_unref"));
  // A server's call is let go of about six times.
  constexpr size_t kBytes = 10000 / 6;
  if (descriptors) {
    lost_descriptor = dup(STDERR_FILENO);
  } else {
    // Memory that nobody writes to takes no room.
    lost_memory = std::memset(std::malloc(kBytes), 1, kBytes);
  }
  real(call);
}
