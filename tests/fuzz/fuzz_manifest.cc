// Manifests from outside: parsing and checking survive anything, and what is
// accepted can be written and read again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "model_store/manifest.h"
#include "model_store/model_store.h"

// What the store writes for what it reads in `json`, which it must accept.
static std::string Rewritten(const std::string& json) {
  const auto manifest = adv::ManifestFromJson(json);
  if (!manifest.ok()) std::abort();
  const auto rewritten = adv::ManifestToJson(*manifest);
  if (!rewritten.ok()) std::abort();
  return *rewritten;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string input(reinterpret_cast<const char*>(data), size);
  const auto manifest = adv::ManifestFromJson(input);
  if (!manifest.ok()) return 0;
  // Only whether it returns counts.
  adv::CheckManifest(*manifest, manifest->name(), manifest->version())
      .IgnoreError();
  // Once, because protobuf's JSON reads -0 as 0.
  const std::string json = Rewritten(Rewritten(input));
  if (Rewritten(json) != json) std::abort();
  return 0;
}
