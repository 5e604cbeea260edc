#ifndef ADV_ENGINE_NN_SAFETENSORS_H_
#define ADV_ENGINE_NN_SAFETENSORS_H_

#include <ATen/core/Tensor.h>
#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>

#include <map>
#include <string>

namespace adv {

// Parameters by name, for example "conv1.weight".
using StateDict = std::map<std::string, at::Tensor>;

enum class WeightPrecision { kFloat32, kFloat16 };

// Reads the safetensors format: 8 bytes little-endian header length, a JSON
// header, then the tensors' bytes. Weights are data, never code: each length,
// offset and shape is checked before it is used, and holes, overlaps and
// non-finite values are errors (INVALID_ARGUMENT, naming the tensor).
//
// Accepts dtypes F32 and F16; returns float32 CPU tensors that own their
// memory. `metadata`, if given, receives the "__metadata__" strings.
absl::StatusOr<StateDict> ParseSafetensors(
    absl::string_view bytes,
    std::map<std::string, std::string>* metadata = nullptr);

// The same tensors always give the same bytes: tensors lie in name order and
// the header is padded with spaces to 8 bytes. FAILED_PRECONDITION if a value
// is not finite or does not fit `precision`.
absl::StatusOr<std::string> SerializeSafetensors(
    const StateDict& tensors, WeightPrecision precision,
    const std::map<std::string, std::string>& metadata = {});

}  // namespace adv

#endif  // ADV_ENGINE_NN_SAFETENSORS_H_
