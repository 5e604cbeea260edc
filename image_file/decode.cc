#include "image_file/decode.h"

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <libexif/exif-data.h>
#include <stb/stb_image.h>

#include <cstddef>
#include <limits>
#include <memory>
#include <utility>

namespace adv {
namespace {

// The bytes with which every file of the format begins.
constexpr char kPng[] = "\x89PNG\r\n\x1a\n";
constexpr char kJpeg[] = "\xff\xd8\xff";

absl::Status TooManyPixels(int64_t width, int64_t height) {
  return absl::InvalidArgumentError(
      absl::StrCat("has ", width, "x", height, " pixels; images may have ",
                   kMostImagePixels / 1'000'000, " million"));
}

// The four bytes at `at` as one number, the most significant byte first.
int64_t BigEndian(absl::string_view bytes, size_t at) {
  int64_t value = 0;
  for (const char byte : bytes.substr(at, 4)) {
    value = value << 8 | static_cast<unsigned char>(byte);
  }
  return value;
}

// What is wrong with a header that stb does not read: it takes images for
// damaged that are too large for it. A PNG's size stands right behind its name.
absl::Status WrongHeader(absl::string_view bytes) {
  constexpr size_t kWidth = 16, kHeight = 20, kEnd = 24;
  if (absl::StartsWith(bytes, kPng) && bytes.size() >= kEnd) {
    const int64_t width = BigEndian(bytes, kWidth);
    const int64_t height = BigEndian(bytes, kHeight);
    // A division, since the product of two such numbers might overflow.
    if (width > 0 && height > kMostImagePixels / width) {
      return TooManyPixels(width, height);
    }
  }
  return absl::InvalidArgumentError("is not a PNG or JPEG image");
}

// EXIF's orientation, 1 to 8: which sides of the picture the first row and the
// first column of pixels are. 1, as they should be, where nothing is said.
int OrientationOf(absl::string_view bytes) {
  if (!absl::StartsWith(bytes, kJpeg)) return 1;
  const std::unique_ptr<ExifData, decltype(&exif_data_unref)> data(
      exif_data_new_from_data(
          reinterpret_cast<const unsigned char*>(bytes.data()),
          static_cast<unsigned>(bytes.size())),
      &exif_data_unref);
  if (data == nullptr) return 1;
  const ExifEntry* entry =
      exif_content_get_entry(data->ifd[EXIF_IFD_0], EXIF_TAG_ORIENTATION);
  // An entry of another type or length is damaged and counts as none.
  if (entry == nullptr || entry->format != EXIF_FORMAT_SHORT ||
      entry->size < 2) {
    return 1;
  }
  const int value =
      exif_get_short(entry->data, exif_data_get_byte_order(data.get()));
  return value >= 1 && value <= 8 ? value : 1;
}

// The image turned from the file's rows to how people see it.
DecodedImage Turned(DecodedImage image, int orientation) {
  if (orientation == 1) return image;
  // Rows of pixels are the picture's columns.
  const bool lies = orientation >= 5;
  DecodedImage turned = image;
  if (lies) std::swap(turned.width, turned.height);
  const int right = image.width - 1, bottom = image.height - 1;
  for (int y = 0; y < turned.height; ++y) {
    for (int x = 0; x < turned.width; ++x) {
      // Where the pixel comes from: 5 to 8 swap the axes, then the column may
      // count from the right and the row from the bottom.
      int from_x = lies ? y : x, from_y = lies ? x : y;
      if (orientation == 2 || orientation == 3 || orientation == 7 ||
          orientation == 8) {
        from_x = right - from_x;
      }
      if (orientation == 3 || orientation == 4 || orientation == 6 ||
          orientation == 7) {
        from_y = bottom - from_y;
      }
      const size_t from =
          (size_t{1} * from_y * image.width + from_x) * image.channels;
      const size_t to = (size_t{1} * y * turned.width + x) * image.channels;
      for (int c = 0; c < image.channels; ++c) {
        turned.pixels[to + c] = image.pixels[from + c];
      }
    }
  }
  return turned;
}

// Over white, so that what an invisible pixel hides does not matter. `values`
// holds an alpha after the channels of each pixel.
std::string OnWhite(const stbi_uc* values, size_t pixels, int channels) {
  std::string flat;
  flat.reserve(pixels * channels);
  for (size_t i = 0; i < pixels; ++i) {
    const stbi_uc* pixel = values + i * (channels + 1);
    const int alpha = pixel[channels];
    for (int c = 0; c < channels; ++c) {
      const int value = pixel[c] * alpha + (255 - alpha) * 255;
      // The 127 makes the division round to the nearest value.
      flat.push_back(static_cast<char>((value + 127) / 255));
    }
  }
  return flat;
}

}  // namespace

absl::StatusOr<DecodedImage> DecodeImage(absl::string_view bytes,
                                         int channels) {
  constexpr size_t kMostBytes = std::numeric_limits<int>::max();  // stb's own
  if (bytes.size() > kMostBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "has ", bytes.size(), " bytes; images may have ", kMostBytes));
  }
  const auto* data = reinterpret_cast<const stbi_uc*>(bytes.data());
  const int size = static_cast<int>(bytes.size());
  DecodedImage image;
  int own_channels = 0;
  // stb reads more formats than these two; nobody asked for their risks.
  const bool known =
      absl::StartsWith(bytes, kPng) || absl::StartsWith(bytes, kJpeg);
  if (!known || !stbi_info_from_memory(data, size, &image.width, &image.height,
                                       &own_channels)) {
    return WrongHeader(bytes);
  }
  if (int64_t{image.width} * image.height > kMostImagePixels) {
    return TooManyPixels(image.width, image.height);
  }
  const bool is_grey = own_channels <= 2;  // the second is an alpha
  image.channels = channels > 0 ? channels : is_grey ? 1 : 3;
  const std::unique_ptr<stbi_uc, decltype(&stbi_image_free)> values(
      // One channel more than wanted: an alpha, which stb sets to 255 where the
      // file has none.
      stbi_load_from_memory(data, size, &image.width, &image.height,
                            &own_channels, image.channels + 1),
      &stbi_image_free);
  if (values == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("is damaged: ", stbi_failure_reason()));
  }
  image.pixels = OnWhite(values.get(), size_t{1} * image.width * image.height,
                         image.channels);
  return Turned(std::move(image), OrientationOf(bytes));
}

}  // namespace adv
