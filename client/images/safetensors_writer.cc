#include "client/images/safetensors_writer.h"

#include <limits>

#include "absl/strings/str_cat.h"
#include "client/files/output_file.h"
#include "nlohmann/json.hpp"

namespace adv {
namespace {

constexpr std::size_t kAlignment = 8;

void AppendLittleEndian(std::uint64_t value, std::string* out) {
  for (int byte = 0; byte < 8; ++byte) {
    out->push_back(static_cast<char>(value >> (8 * byte) & 0xFF));
  }
}

// Bytes of one value; 0 for a type that is not known.
std::uint64_t SizeOf(const std::string& type) {
  if (type == "U8") return 1;
  if (type == "F32") return 4;
  return type == "I64" ? 8 : 0;
}

bool Fits(const Tensor& tensor) {
  std::uint64_t bytes = SizeOf(tensor.type);
  for (const std::int64_t side : tensor.shape) {
    if (side < 0) return false;
    const auto length = static_cast<std::uint64_t>(side);
    if (length > 0 &&
        bytes > std::numeric_limits<std::uint64_t>::max() / length) {
      return false;
    }
    bytes *= length;
  }
  return SizeOf(tensor.type) > 0 && bytes == tensor.bytes.size();
}

std::string Header(const std::vector<Tensor>& tensors,
                   const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json header;
  header["__metadata__"] = metadata;
  std::uint64_t offset = 0;
  for (const Tensor& tensor : tensors) {
    const std::uint64_t end = offset + tensor.bytes.size();
    header[tensor.name] = {{"dtype", tensor.type},
                           {"shape", tensor.shape},
                           {"data_offsets", {offset, end}}};
    offset = end;
  }
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
  const std::string header = Header(tensors, metadata);
  std::vector<absl::string_view> pieces = {header};
  for (const Tensor& tensor : tensors) pieces.push_back(tensor.bytes);
  return WriteOutput(path, pieces);
}

}  // namespace adv
