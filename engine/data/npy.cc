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

struct Kind {
  const char* descr;
  at::ScalarType type;
};
constexpr Kind kKinds[] = {{"|u1", at::kByte},  {"|i1", at::kChar},
                           {"<i2", at::kShort}, {"<i4", at::kInt},
                           {"<i8", at::kLong},  {"<f4", at::kFloat},
                           {"<f8", at::kDouble}};

// What follows `'key':` in the header, which is a Python dictionary of one
// line: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }
std::optional<absl::string_view> ValueOf(absl::string_view header,
                                         absl::string_view key) {
  const size_t begin = header.find(absl::StrCat("'", key, "':"));
  if (begin == absl::string_view::npos) return std::nullopt;
  return absl::StripLeadingAsciiWhitespace(
      header.substr(begin + key.size() + 3));
}

// "(3, 2)", "(3,)" or "()"
std::optional<std::vector<int64_t>> ParseShape(absl::string_view value) {
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

std::optional<at::ScalarType> ParseKind(absl::string_view value) {
  for (const Kind& kind : kKinds) {
    if (absl::StartsWith(value, absl::StrCat("'", kind.descr, "'"))) {
      return kind.type;
    }
  }
  return std::nullopt;
}

// The header's text; `bytes` is left at the values.
std::optional<absl::string_view> TakeHeader(absl::string_view* bytes) {
  if (!absl::ConsumePrefix(bytes, kMagic) || bytes->size() < 6) {
    return std::nullopt;
  }
  const auto byte = [bytes](size_t i) {
    return static_cast<size_t>(static_cast<unsigned char>((*bytes)[i]));
  };
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

// False if the product is not representable.
bool Count(const std::vector<int64_t>& shape, int64_t* count) {
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
  const auto shape = shape_text ? ParseShape(*shape_text) : std::nullopt;
  if (!descr || !order || !shape) {
    return absl::InvalidArgumentError("has no header of a .npy array");
  }
  const std::optional<at::ScalarType> type = ParseKind(*descr);
  if (!type) {
    return absl::InvalidArgumentError(absl::StrCat(
        "has values of type ", absl::CHexEscape(descr->substr(0, 10)),
        "; must be uint8, int8 to int64, float32 or float64, little-endian"));
  }
  if (!absl::StartsWith(*order, "False")) {
    return absl::InvalidArgumentError(
        "is in Fortran's order; save numpy.ascontiguousarray of it");
  }
  int64_t count = 0;
  const auto size = static_cast<int64_t>(c10::elementSize(*type));
  if (!Count(*shape, &count) ||
      count * size != static_cast<int64_t>(bytes.size())) {
    return absl::InvalidArgumentError(absl::StrCat(
        "has ", bytes.size(), " bytes of values, which its shape is not of"));
  }
  at::Tensor array = at::empty(*shape, *type);
  if (count > 0) std::memcpy(array.data_ptr(), bytes.data(), bytes.size());
  return array;
}

}  // namespace adv
