#include "engine/nn/safetensors.h"

#include <ATen/ATen.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>
#include <vector>

namespace adv {
namespace {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "tensors are copied between file and memory as they are");

using Json = nlohmann::json;

constexpr uint64_t kLengthBytes = 8;
// A hostile file cannot make us parse more JSON than this.
constexpr uint64_t kMaxHeaderBytes = 1 << 20;
constexpr size_t kMaxDimensions = 8;
// For dtypes of unknown size: such counts and sizes still fit into int64_t.
constexpr uint64_t kMaxValues = uint64_t{1} << 62;
constexpr char kMetadataKey[] = "__metadata__";

// Bytes of one value of each dtype that the format names.
const std::map<std::string, uint64_t>& ItemBytes() {
  static const auto* const sizes = new std::map<std::string, uint64_t>{
      {"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E5M2", 1}, {"F8_E4M3", 1},
      {"I16", 2},  {"U16", 2}, {"F16", 2}, {"BF16", 2},    {"I32", 4},
      {"U32", 4},  {"F32", 4}, {"F64", 8}, {"I64", 8},     {"U64", 8},
  };
  return *sizes;
}

template <typename... Parts>
absl::Status Malformed(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat("safetensors: ", parts...));
}

// The JSON text between the length and the data. The length is checked before
// it is used, since it comes from the file.
absl::StatusOr<absl::string_view> HeaderText(absl::string_view bytes) {
  if (bytes.size() < kLengthBytes) {
    return Malformed(bytes.size(), " bytes, must be at least ", kLengthBytes);
  }
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), kLengthBytes);
  if (length > kMaxHeaderBytes) {
    return Malformed("header length ", length, ", must be at most ",
                     kMaxHeaderBytes);
  }
  if (length > bytes.size() - kLengthBytes) {
    return Malformed("truncated: header length ", length, ", but only ",
                     bytes.size() - kLengthBytes, " bytes follow");
  }
  return bytes.substr(kLengthBytes, length);
}

// A JSON object without duplicate keys at any depth. The JSON library keeps the
// last of two equal keys silently; another reader might take the first and see
// other weights.
absl::StatusOr<Json> ParseHeader(absl::string_view text) {
  // The keys of each object that is still open, the innermost last.
  std::vector<std::set<std::string>> open_objects;
  std::string duplicate;
  const Json::parser_callback_t watch = [&](int, Json::parse_event_t event,
                                            Json& parsed) {
    if (event == Json::parse_event_t::object_start) {
      open_objects.emplace_back();
    } else if (event == Json::parse_event_t::object_end) {
      open_objects.pop_back();
    } else if (event == Json::parse_event_t::key) {
      const std::string key = parsed.get<std::string>();
      if (!open_objects.back().insert(key).second) duplicate = key;
    }
    return true;
  };
  Json header = Json::parse(text.begin(), text.end(), watch,
                            /*allow_exceptions=*/false);
  if (!duplicate.empty()) return Malformed("\"", duplicate, "\" occurs twice");
  if (!header.is_object()) return Malformed("header is not a JSON object");
  return header;
}

// The number of values, or an error if they exceed `limit`. It also fills in
// entry->shape.
absl::StatusOr<uint64_t> ParseShape(const Json& sizes, uint64_t limit,
                                    SafetensorsEntry* entry) {
  if (!sizes.is_array() || sizes.size() > kMaxDimensions) {
    return Malformed(entry->name, ": shape must be a list of at most ",
                     kMaxDimensions, " sizes");
  }
  uint64_t count = 1;
  for (const Json& size : sizes) {
    if (!size.is_number_unsigned() || size.get<uint64_t>() == 0) {
      return Malformed(entry->name, ": sizes must be positive integers");
    }
    const uint64_t value = size.get<uint64_t>();
    // A division, since the product might overflow.
    if (value > limit / count) {
      return Malformed(entry->name, ": shape needs more than the ", limit,
                       " values that the data can hold");
    }
    count *= value;
    entry->shape.push_back(static_cast<int64_t>(value));
  }
  return count;
}

// Sets entry->data to the bytes that the two offsets span. Offsets count from
// the end of the header.
absl::Status ParseOffsets(const Json& offsets, absl::string_view data,
                          SafetensorsEntry* entry) {
  if (!offsets.is_array() || offsets.size() != 2 ||
      !offsets[0].is_number_unsigned() || !offsets[1].is_number_unsigned()) {
    return Malformed(entry->name,
                     ": data_offsets must be two non-negative integers");
  }
  const uint64_t begin = offsets[0].get<uint64_t>();
  const uint64_t end = offsets[1].get<uint64_t>();
  if (begin > end || end > data.size()) {
    return Malformed(entry->name, ": data_offsets [", begin, ", ", end,
                     "] must lie in order in [0, ", data.size(), "]");
  }
  entry->data = data.substr(begin, end - begin);
  return absl::OkStatus();
}

absl::StatusOr<SafetensorsEntry> ParseEntry(const std::string& name,
                                            const Json& value,
                                            absl::string_view data) {
  SafetensorsEntry entry;
  entry.name = name;
  if (!value.is_object() || value.size() != 3 || !value.contains("dtype") ||
      !value.contains("shape") || !value.contains("data_offsets")) {
    return Malformed(name, ": must have dtype, shape and data_offsets alone");
  }
  if (!value["dtype"].is_string()) {
    return Malformed(name, ": dtype must be a string");
  }
  entry.dtype = value["dtype"].get<std::string>();
  if (absl::Status s = ParseOffsets(value["data_offsets"], data, &entry);
      !s.ok()) {
    return s;
  }
  const auto item = ItemBytes().find(entry.dtype);
  const bool known = item != ItemBytes().end();
  const uint64_t item_bytes = known ? item->second : 1;
  // An unknown dtype may pack several values into a byte, so the size of the
  // data does not bound its shape.
  const absl::StatusOr<uint64_t> count = ParseShape(
      value["shape"], known ? data.size() / item_bytes : kMaxValues, &entry);
  if (!count.ok()) return count.status();
  if (known && *count * item_bytes != entry.data.size()) {
    return Malformed(name, ": shape needs ", *count * item_bytes,
                     " bytes, data_offsets span ", entry.data.size());
  }
  return entry;
}

absl::Status ParseMetadata(const Json& value,
                           std::map<std::string, std::string>* metadata) {
  if (!value.is_object()) return Malformed("__metadata__ is not an object");
  for (const auto& [key, text] : value.items()) {
    if (!text.is_string()) {
      return Malformed("__metadata__: \"", key, "\" is not a string");
    }
    if (metadata != nullptr) (*metadata)[key] = text.get<std::string>();
  }
  return absl::OkStatus();
}

// Sorts the entries by their place in the data, which they must fill without
// hole or overlap. By size next, so that an empty one stands before the one
// that begins at the same byte.
absl::Status CheckLayout(absl::string_view data,
                         std::vector<SafetensorsEntry>* entries) {
  std::sort(entries->begin(), entries->end(),
            [](const SafetensorsEntry& a, const SafetensorsEntry& b) {
              return std::make_pair(a.data.data(), a.data.size()) <
                     std::make_pair(b.data.data(), b.data.size());
            });
  size_t place = 0;
  for (const SafetensorsEntry& entry : *entries) {
    const size_t begin = entry.data.data() - data.data();
    if (begin != place) {
      return Malformed(entry.name, ": begins at byte ", begin,
                       " of the data, must begin at ", place,
                       ", where the tensor before it ends");
    }
    place += entry.data.size();
  }
  if (place != data.size()) {
    return Malformed("tensors end at byte ", place, " of ", data.size(),
                     " bytes of data");
  }
  return absl::OkStatus();
}

bool AllFinite(const at::Tensor& tensor) {
  return at::isfinite(tensor).all().item<bool>();
}

// `tensor` as contiguous values of `type` on the CPU, or FAILED_PRECONDITION if
// a file cannot hold it.
absl::StatusOr<at::Tensor> ForDisk(const std::string& name,
                                   const at::Tensor& tensor,
                                   at::ScalarType type) {
  if (name == kMetadataKey || !tensor.defined() || tensor.numel() == 0 ||
      tensor.dim() > static_cast<int64_t>(kMaxDimensions)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "\"", name, "\" cannot be written: must be a tensor of 1 or more ",
        "values, in at most ", kMaxDimensions, " dimensions, not named ",
        kMetadataKey));
  }
  const at::Tensor values = tensor.detach().to(at::kCPU);
  if (!AllFinite(values)) {
    return absl::FailedPreconditionError(
        absl::StrCat(name, " holds a value that is not finite"));
  }
  const at::Tensor converted = values.to(type).contiguous();
  // What was finite and is not after the conversion was too large for `type`.
  if (!AllFinite(converted)) {
    return absl::FailedPreconditionError(absl::StrCat(
        name, " holds a value outside ",
        type == at::kHalf ? "[-65504, 65504], the range of float16"
                          : "[-3.4e38, 3.4e38], the range of float32"));
  }
  return converted;
}

}  // namespace

absl::StatusOr<std::vector<SafetensorsEntry>> ListSafetensors(
    absl::string_view bytes, std::map<std::string, std::string>* metadata) {
  const absl::StatusOr<absl::string_view> text = HeaderText(bytes);
  if (!text.ok()) return text.status();
  const absl::StatusOr<Json> header = ParseHeader(*text);
  if (!header.ok()) return header.status();
  const absl::string_view data = bytes.substr(kLengthBytes + text->size());

  std::vector<SafetensorsEntry> entries;
  for (const auto& [name, value] : header->items()) {
    if (name == kMetadataKey) {
      if (absl::Status s = ParseMetadata(value, metadata); !s.ok()) return s;
      continue;
    }
    absl::StatusOr<SafetensorsEntry> entry = ParseEntry(name, value, data);
    if (!entry.ok()) return entry.status();
    entries.push_back(*std::move(entry));
  }
  if (absl::Status s = CheckLayout(data, &entries); !s.ok()) return s;
  return entries;
}

absl::StatusOr<at::Tensor> ReadSafetensor(const SafetensorsEntry& entry) {
  static const auto* const readable = new std::map<std::string, at::ScalarType>{
      {"F32", at::kFloat}, {"F16", at::kHalf}, {"BF16", at::kBFloat16}};
  const auto type = readable->find(entry.dtype);
  if (type == readable->end()) {
    return Malformed(entry.name, ": dtype is ", entry.dtype,
                     ", must be F32, F16 or BF16");
  }
  at::Tensor tensor = at::empty(entry.shape, type->second);
  // ParseEntry has checked that the shape needs exactly these bytes. They are
  // copied, since they need not be aligned in the file.
  std::memcpy(tensor.data_ptr(), entry.data.data(), entry.data.size());
  tensor = tensor.to(at::kFloat);
  if (!AllFinite(tensor)) {
    return Malformed(entry.name, ": holds a value that is not finite");
  }
  return tensor;
}

absl::StatusOr<StateDict> ParseSafetensors(
    absl::string_view bytes, std::map<std::string, std::string>* metadata) {
  const absl::StatusOr<std::vector<SafetensorsEntry>> entries =
      ListSafetensors(bytes, metadata);
  if (!entries.ok()) return entries.status();
  StateDict tensors;
  for (const SafetensorsEntry& entry : *entries) {
    absl::StatusOr<at::Tensor> tensor = ReadSafetensor(entry);
    if (!tensor.ok()) return tensor.status();
    tensors[entry.name] = *std::move(tensor);
  }
  return tensors;
}

absl::StatusOr<std::string> SerializeSafetensors(
    const StateDict& tensors, WeightPrecision precision,
    const std::map<std::string, std::string>& metadata) {
  const bool half = precision == WeightPrecision::kFloat16;
  Json header = Json::object();
  if (!metadata.empty()) header[kMetadataKey] = metadata;
  std::string data;
  // The map is in name order, and so are the JSON's keys: equal tensors give
  // equal bytes.
  for (const auto& [name, tensor] : tensors) {
    const absl::StatusOr<at::Tensor> values =
        ForDisk(name, tensor, half ? at::kHalf : at::kFloat);
    if (!values.ok()) return values.status();
    const size_t begin = data.size();
    data.append(static_cast<const char*>(values->data_ptr()), values->nbytes());
    header[name] = {{"dtype", half ? "F16" : "F32"},
                    {"shape", values->sizes().vec()},
                    {"data_offsets", {begin, data.size()}}};
  }
  // Invalid UTF-8 in a name is replaced, not thrown at the caller.
  std::string text = header.dump(-1, ' ', /*ensure_ascii=*/false,
                                 Json::error_handler_t::replace);
  // JSON allows spaces at its end. With them the data begin at a multiple of 8.
  text.resize((text.size() + kLengthBytes - 1) / kLengthBytes * kLengthBytes,
              ' ');
  // The reader above would refuse the file.
  if (text.size() > kMaxHeaderBytes) {
    return absl::FailedPreconditionError(
        absl::StrCat("header of ", text.size(), " bytes, must be at most ",
                     kMaxHeaderBytes));
  }
  const uint64_t length = text.size();
  std::string bytes(reinterpret_cast<const char*>(&length), kLengthBytes);
  return absl::StrCat(bytes, text, data);
}

}  // namespace adv
