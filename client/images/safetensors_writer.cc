#include "client/images/safetensors_writer.h"

#include <limits>

#include "absl/strings/str_cat.h"
#include "client/files/output_file.h"
#include "nlohmann/json.hpp"

namespace adv {
namespace {

// The header ends at a multiple of this, where the tensors begin.
constexpr std::size_t kAlignment = 8;

// The format is little-endian on every machine, so the bytes are made by
// shifts.
void AppendLittleEndian(std::uint64_t value, std::string* out) {
  for (int byte = 0; byte < 8; ++byte) {
    out->push_back(static_cast<char>(value >> (8 * byte) & 0xFF));
  }
}

// Bytes of one value; 0 for a type that is not known.
std::uint64_t BytesOf(const std::string& type) {
  if (type == "U8") return 1;
  if (type == "F32") return 4;
  return type == "I64" ? 8 : 0;
}

// Whether the bytes are as many as shape and type ask for.
bool Fits(const Tensor& tensor) {
  std::uint64_t bytes = BytesOf(tensor.type);
  for (const std::int64_t side : tensor.shape) {
    if (side < 0) return false;
    const auto length = static_cast<std::uint64_t>(side);
    // A product that overflows could equal the number of bytes by chance.
    if (length > 0 &&
        bytes > std::numeric_limits<std::uint64_t>::max() / length) {
      return false;
    }
    bytes *= length;
  }
  return BytesOf(tensor.type) > 0 && bytes == tensor.bytes.size();
}

// The length of the header and the header itself: all that stands before the
// bytes of the first tensor.
std::string FileHeader(const std::vector<Tensor>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  // The ordered kind keeps the tensors in the order of their bytes.
  nlohmann::ordered_json header;
  header["__metadata__"] = metadata;
  // Offsets count from the end of the header.
  std::uint64_t offset = 0;
  for (const Tensor& tensor : tensors) {
    const std::uint64_t end = offset + tensor.bytes.size();
    header[tensor.name] = {{"dtype", tensor.type},
                           {"shape", tensor.shape},
                           {"data_offsets", {offset, end}}};
    offset = end;
  }
  // Text that is not UTF-8 is replaced, where the default would throw.
  std::string text = header.dump(
      -1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  while (text.size() % kAlignment != 0) text += ' ';
  std::string bytes;
  AppendLittleEndian(text.size(), &bytes);
  return bytes + text;
}

}  // namespace

std::string Int64Bytes(const std::vector<std::int64_t>& values) {
  std::string bytes;
  bytes.reserve(8 * values.size());
  for (const std::int64_t value : values) {
    AppendLittleEndian(static_cast<std::uint64_t>(value), &bytes);
  }
  return bytes;
}

absl::Status WriteSafetensors(
    const std::string& path, const std::vector<Tensor>& tensors,
    const std::map<std::string, std::string>& metadata) {
  for (const Tensor& tensor : tensors) {
    if (Fits(tensor)) continue;
    return absl::InternalError(absl::StrCat(path, ": tensor ", tensor.name,
                                            " has ", tensor.bytes.size(),
                                            " bytes, which is not its shape"));
  }
  const std::string header = FileHeader(tensors, metadata);
  // The pieces are views, so that images of many megabytes are not copied.
  std::vector<absl::string_view> pieces = {header};
  for (const Tensor& tensor : tensors) pieces.push_back(tensor.bytes);
  return WriteOutput(path, pieces);
}

}  // namespace adv
