// Weights from outside: parsing survives anything, and what is accepted comes
// back as it was.
#include <ATen/ATen.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>

#include "engine/nn/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::map<std::string, std::string> metadata;
  const auto tensors = adv::ParseSafetensors(
      absl::string_view(reinterpret_cast<const char*>(data), size), &metadata);
  if (!tensors.ok()) return 0;
  const auto bytes = adv::SerializeSafetensors(
      *tensors, adv::WeightPrecision::kFloat32, metadata);
  if (!bytes.ok()) std::abort();
  const auto again = adv::ParseSafetensors(*bytes);
  if (!again.ok() || again->size() != tensors->size()) std::abort();
  for (const auto& [name, tensor] : *tensors) {
    const auto found = again->find(name);
    if (found == again->end() || !tensor.equal(found->second)) std::abort();
  }
  return 0;
}
