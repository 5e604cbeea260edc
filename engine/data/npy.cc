#include "engine/data/npy.h"

#include <ATen/ATen.h>
#include <absl/strings/escaping.h>
#include <absl/strings/match.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>
#include <absl/strings/strip.h>

#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace adv {
namespace {

constexpr absl::string_view kMagic("\x93NUMPY", 6);

// NumPy's name of a type: the byte order ("|" where there is none), the kind,
// and the bytes of a value.
struct Kind {
  const char* descr;
  at::ScalarType type;
};
constexpr Kind kKinds[] = {{"|u1", at::kByte},  {"|i1", at::kChar},
                           {"<i2", at::kShort}, {"<i4", at::kInt},
                           {"<i8", at::kLong},  {"<f4", at::kFloat},
                           {"<f8", at::kDouble}};

// The text behind `'key':` in the header, which is a Python dictionary of one
// line: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }. Each
// reader of a value takes its beginning only.
std::optional<absl::string_view> ValueOf(absl::string_view header,
                                         absl::string_view key) {
  const size_t begin = header.find(absl::StrCat("'", key, "':"));
  if (begin == absl::string_view::npos) return std::nullopt;
  return absl::StripLeadingAsciiWhitespace(
      header.substr(begin + key.size() + 3));
}

// The sizes of a tuple "(3, 2)", "(3,)" or "()", or nothing for other text.
std::optional<std::vector<int64_t>> ParseTuple(absl::string_view value) {
  const size_t end = value.find(')');
  if (!absl::ConsumePrefix(&value, "(") || end == absl::string_view::npos) {
    return std::nullopt;
  }
  std::vector<int64_t> shape;
  for (absl::string_view part :
       absl::StrSplit(value.substr(0, end - 1), ',', absl::SkipWhitespace())) {
    int64_t size = 0;
    if (!absl::SimpleAtoi(part, &size) || size < 0) return std::nullopt;
    shape.push_back(size);
  }
  return shape;
}

// Nothing for a type that is not read, such as a big-endian one.
std::optional<at::ScalarType> ParseKind(absl::string_view value) {
  for (const Kind& kind : kKinds) {
    if (absl::StartsWith(value, absl::StrCat("'", kind.descr, "'"))) {
      return kind.type;
    }
  }
  return std::nullopt;
}

// The header's text, after which `bytes` holds the values alone. Nothing if the
// bytes do not begin as a .npy file does.
std::optional<absl::string_view> TakeHeader(absl::string_view* bytes) {
  if (!absl::ConsumePrefix(bytes, kMagic) || bytes->size() < 6) {
    return std::nullopt;
  }
  const auto byte = [bytes](size_t i) {
    return static_cast<size_t>(static_cast<unsigned char>((*bytes)[i]));
  };
  // Two bytes of version, then the header's length, little-endian: two bytes in
  // version 1, four from version 2 on. `begin` is where the header begins.
  const size_t version = byte(0);
  size_t length = byte(2) | byte(3) << 8;
  size_t begin = 4;
  if (version >= 2) {
    length |= byte(4) << 16 | byte(5) << 24;
    begin = 6;
  }
  if (version < 1 || version > 3 || length > bytes->size() - begin) {
    return std::nullopt;
  }
  const absl::string_view header = bytes->substr(begin, length);
  bytes->remove_prefix(begin + length);
  return header;
}

// The number of values. False if it or its bytes could overflow: the 16 leaves
// room for the size of a value.
bool CountElements(const std::vector<int64_t>& shape, int64_t* count) {
  *count = 1;
  for (const int64_t size : shape) {
    if (size != 0 && *count > std::numeric_limits<int64_t>::max() / 16 / size) {
      return false;
    }
    *count *= size;
  }
  return true;
}

}  // namespace

absl::StatusOr<at::Tensor> ParseNpy(absl::string_view bytes) {
  const std::optional<absl::string_view> header = TakeHeader(&bytes);
  if (!header) return absl::InvalidArgumentError("is no .npy array");
  const auto descr = ValueOf(*header, "descr");
  const auto order = ValueOf(*header, "fortran_order");
  const auto shape_text = ValueOf(*header, "shape");
  const auto shape = shape_text ? ParseTuple(*shape_text) : std::nullopt;
  if (!descr || !order || !shape) {
    return absl::InvalidArgumentError("has no header of a .npy array");
  }
  const std::optional<at::ScalarType> type = ParseKind(*descr);
  if (!type) {
    return absl::InvalidArgumentError(absl::StrCat(
        "has values of type ", absl::CHexEscape(descr->substr(0, 10)),
        "; must be uint8, int8 to int64, float32 or float64, little-endian"));
  }
  // Read as if in C order, the values would be transposed.
  if (!absl::StartsWith(*order, "False")) {
    return absl::InvalidArgumentError(
        "is in Fortran's order; save numpy.ascontiguousarray of it");
  }
  int64_t count = 0;
  const auto size = static_cast<int64_t>(c10::elementSize(*type));
  // The size must agree before memory is allocated for a shape from a file.
  if (!CountElements(*shape, &count) ||
      count * size != static_cast<int64_t>(bytes.size())) {
    return absl::InvalidArgumentError(absl::StrCat(
        "has ", bytes.size(), " bytes of values, which its shape is not of"));
  }
  at::Tensor array = at::empty(*shape, *type);
  // An empty tensor has no memory to copy to.
  if (count > 0) std::memcpy(array.data_ptr(), bytes.data(), bytes.size());
  return array;
}

}  // namespace adv
