#include "engine/data/array_dataset.h"

#include <ATen/ATen.h>
#include <absl/strings/ascii.h>
#include <absl/strings/escaping.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <absl/strings/str_split.h>

#include <algorithm>
#include <set>
#include <utility>

namespace adv {
namespace {

// Without names, a label from here on is taken for an error and not for a
// reason to make up as many names.
constexpr int64_t kMostMadeUpNames = 1'000'000;

bool HasChannels(int64_t size) { return size == 1 || size == 3; }

// The images as [N, channels, height, width], or an undefined tensor if the
// array holds none. Where both places fit, the channels come first.
at::Tensor ChannelsFirst(const at::Tensor& images) {
  if (images.dim() == 3) return images.unsqueeze(1);
  if (images.dim() != 4) return {};
  if (HasChannels(images.size(1))) return images;
  if (HasChannels(images.size(3))) return images.permute({0, 3, 1, 2});
  return {};
}

// The pixels as uint8, or as float32 in [0, 1]; contiguous.
absl::StatusOr<at::Tensor> Pixels(const at::Tensor& images) {
  if (images.scalar_type() == at::kByte) return images.contiguous();
  if (!images.is_floating_point()) {
    return absl::InvalidArgumentError(
        "images: must be uint8, or floating point in [0, 1]");
  }
  const at::Tensor pixels = images.to(at::kFloat).contiguous();
  // Negated as a whole, so that NaN is outside, too.
  const at::Tensor outside =
      pixels.ge(0).logical_and(pixels.le(1)).logical_not();
  if (outside.any().item<bool>()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "images: ", pixels.masked_select(outside)[0].item<float>(),
        " is outside [0, 1], where floating point pixels must be"));
  }
  return pixels;
}

// The labels as [count] int64. Their range is checked later, beside the names.
absl::StatusOr<at::Tensor> Labels(const at::Tensor& labels, int64_t count) {
  if (labels.is_floating_point() || labels.dim() != 1 ||
      labels.size(0) != count) {
    return absl::InvalidArgumentError(
        absl::StrCat("labels: must be ", count,
                     " integers, one for each image, and are of shape [",
                     absl::StrJoin(labels.sizes(), ", "), "]"));
  }
  return labels.to(at::kLong).contiguous();
}

bool HasControlCharacters(absl::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_iscntrl(static_cast<unsigned char>(c));
  });
}

// Control characters would go to terminals; of two equal names a request could
// not mean one.
absl::Status CheckNames(const std::vector<std::string>& names) {
  std::set<std::string> seen;
  for (const std::string& name : names) {
    if (HasControlCharacters(name)) {
      return absl::InvalidArgumentError(
          absl::StrCat("class name '", absl::CHexEscape(name),
                       "': must have no control characters"));
    }
    if (!seen.insert(name).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("class name '", name, "': is there twice"));
    }
  }
  return absl::OkStatus();
}

// The lines of a text without the blanks around them. INVALID_ARGUMENT if one
// is empty or has control characters, which would go to terminals.
absl::StatusOr<std::vector<std::string>> ParseLines(const std::string& text) {
  std::vector<std::string> lines;
  // Line ends at the end of the text make no empty names.
  for (absl::string_view line :
       absl::StrSplit(absl::StripTrailingAsciiWhitespace(text), '\n')) {
    line = absl::StripAsciiWhitespace(line);
    if (line.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "line ", lines.size() + 1, ": is empty; must be a name"));
    }
    if (HasControlCharacters(line)) {
      return absl::InvalidArgumentError(
          absl::StrCat("line ", lines.size() + 1, ": '", absl::CHexEscape(line),
                       "' must have no control characters"));
    }
    lines.emplace_back(line);
  }
  return lines;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ParseClassNames(
    const std::string& text) {
  absl::StatusOr<std::vector<std::string>> names = ParseLines(text);
  if (!names.ok()) return names;
  std::set<std::string> seen;
  for (size_t i = 0; i < names->size(); ++i) {
    if (!seen.insert((*names)[i]).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("line ", i + 1, ": names a class a second time"));
    }
  }
  return names;
}

absl::StatusOr<std::vector<std::string>> ParseSuperclasses(
    const std::string& text, size_t classes) {
  absl::StatusOr<std::vector<std::string>> names = ParseLines(text);
  if (names.ok() && names->size() != classes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "has ", names->size(), " lines; must have one for each of the ",
        classes, " classes"));
  }
  return names;
}

absl::StatusOr<Dataset> MakeArrayDataset(at::Tensor images, at::Tensor labels,
                                         std::vector<std::string> class_names) {
  const at::Tensor ordered = ChannelsFirst(images);
  if (!ordered.defined() || ordered.numel() == 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "images: are of shape [", absl::StrJoin(images.sizes(), ", "),
        "]; must be [N, channels, height, width] or [N, height, width, "
        "channels] with 1 or 3 channels, or [N, height, width]"));
  }
  absl::Status status = CheckNames(class_names);
  if (!status.ok()) return status;
  const absl::StatusOr<at::Tensor> pixels = Pixels(ordered);
  if (!pixels.ok()) return pixels.status();
  const absl::StatusOr<at::Tensor> classes = Labels(labels, pixels->size(0));
  if (!classes.ok()) return classes.status();
  const auto largest = classes->max().item<int64_t>();
  // Made-up names, at least two.
  if (class_names.empty() && largest < kMostMadeUpNames) {
    for (int64_t i = 0; i <= std::max<int64_t>(largest, 1); ++i) {
      class_names.push_back(absl::StrCat(i));
    }
  }
  const auto count = class_names.empty()
                         ? kMostMadeUpNames
                         : static_cast<int64_t>(class_names.size());
  if (largest >= count || classes->min().item<int64_t>() < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("labels: must be in [0, ", count - 1, "], and reach from ",
                     classes->min().item<int64_t>(), " to ", largest));
  }
  Dataset dataset;
  dataset.class_names = std::move(class_names);
  dataset.images = *pixels;
  dataset.labels = *classes;
  dataset.digest = DigestRecords(dataset.images, dataset.labels);
  return dataset;
}

}  // namespace adv
