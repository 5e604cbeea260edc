#ifndef ADV_CLIENT_IMAGES_SAFETENSORS_WRITER_H_
#define ADV_CLIENT_IMAGES_SAFETENSORS_WRITER_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace adv {

// One tensor of a safetensors file. The bytes are little-endian, row by row.
struct Tensor {
  std::string name;
  std::string type;  // "U8", "I64" or "F32"
  std::vector<std::int64_t> shape;
  std::string bytes;
};

// The bytes of 64-bit integers, for an "I64" tensor.
std::string Int64Bytes(const std::vector<std::int64_t>& values);

// Writes a file in the safetensors format: the length of the header as 8 bytes
// little-endian, the header in JSON padded with spaces to a multiple of 8, then
// the tensors in the given order without gaps. Names are unique and not
// "__metadata__", which is where `metadata` goes. Written as WriteOutput does;
// an error may also name the tensor whose bytes do not fit its shape, and then
// nothing is written.
absl::Status WriteSafetensors(
    const std::string& path, const std::vector<Tensor>& tensors,
    const std::map<std::string, std::string>& metadata);

}  // namespace adv

#endif  // ADV_CLIENT_IMAGES_SAFETENSORS_WRITER_H_
