#ifndef ADV_ENGINE_NN_SAFETENSORS_H_
#define ADV_ENGINE_NN_SAFETENSORS_H_

#include <ATen/core/Tensor.h>
#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace adv {

// Parameters by name, for example "conv1.weight".
using StateDict = std::map<std::string, at::Tensor>;

enum class WeightPrecision { kFloat32, kFloat16 };

// A tensor of a file, its values not read yet.
struct SafetensorsEntry {
  std::string name;
  std::string dtype;  // as the file has it: "F32", "I64"
  std::vector<int64_t> shape;
  absl::string_view data;  // its bytes, within those of the file
};

// Reads the safetensors format: 8 bytes little-endian header length, a JSON
// header, then the tensors' bytes. Weights are data, never code: each length,
// offset and shape is checked before it is used, and holes and overlaps are
// errors (INVALID_ARGUMENT, naming the tensor). Dtypes may be any; the bytes of
// the values are not touched, so that a large file costs its header alone.
//
// The entries come in the order of their bytes, and are valid as long as
// `bytes`. `metadata`, if given, receives the "__metadata__" strings.
absl::StatusOr<std::vector<SafetensorsEntry>> ListSafetensors(
    absl::string_view bytes,
    std::map<std::string, std::string>* metadata = nullptr);

// The values as a float32 CPU tensor that owns its memory. INVALID_ARGUMENT,
// naming the tensor, if the dtype is none of F32, F16 and BF16 or if a value is
// not finite.
absl::StatusOr<at::Tensor> ReadSafetensor(const SafetensorsEntry& entry);

// All tensors of a file; one that cannot be read is an error.
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
