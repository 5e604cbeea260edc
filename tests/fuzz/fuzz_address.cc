// Addresses from flags and manifests: parsing survives anything, and what is
// accepted is written as it is read.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "net/address.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto address = adv::ParseAddress(text);
  if (!address.ok()) {
    if (address.status().message().empty()) std::abort();
    return 0;
  }
  if (address->port < 0 || address->port > 65535) std::abort();
  const auto again = adv::ParseAddress(adv::ToString(*address));
  if (!again.ok() || again->host != address->host ||
      again->port != address->port || again->unix_path != address->unix_path ||
      adv::IsLoopback(*again) != adv::IsLoopback(*address)) {
    std::abort();
  }
  return 0;
}
