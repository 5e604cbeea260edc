#include "client/images/image_file.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/files/output_file.h"
#include "client/printers/visible.h"
#include "stb/stb_image.h"
#include "stb/stb_image_resize.h"
#include "stb/stb_image_write.h"

namespace adv {
namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t kMaxFileBytes = 64'000'000;
constexpr std::int64_t kMaxPixels = 64'000'000;
constexpr int kChannels = 3;
constexpr char kPng[] = "\x89PNG\r\n\x1a\n";

absl::Status Wrong(const std::string& path, const std::string& why) {
  return absl::InvalidArgumentError(Visible(absl::StrCat(path, ": ", why)));
}

absl::StatusOr<std::string> ReadBytes(const std::string& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (status.type() == fs::file_type::not_found) {
    return Wrong(path, "there is no such file");
  }
  if (fs::is_directory(status)) return Wrong(path, "is a folder, not an image");
  if (fs::is_regular_file(status)) {
    const std::uintmax_t size = fs::file_size(path, error);
    if (!error && size > kMaxFileBytes) {
      return Wrong(path,
                   absl::StrCat("has ", size, " bytes; images may have 64 MB"));
    }
  }
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) return Wrong(path, std::strerror(errno));
  // Pipes have no size, so the limit is kept while reading, too.
  std::string bytes;
  char buffer[65536];
  while (file.read(buffer, sizeof(buffer)) || file.gcount() > 0) {
    bytes.append(buffer, file.gcount());
    if (bytes.size() > kMaxFileBytes) {
      return Wrong(path, "is too long; images may have 64 MB");
    }
  }
  return bytes;
}

absl::Status TooManyPixels(const std::string& path, std::int64_t width,
                           std::int64_t height) {
  return Wrong(path, absl::StrCat("has ", width, "x", height,
                                  " pixels; images may have 64 million"));
}

// stb reads more formats than these two; nobody asked for their risks.
bool IsPngOrJpeg(const std::string& bytes) {
  return absl::StartsWith(bytes, kPng) ||
         absl::StartsWith(bytes, "\xff\xd8\xff");
}

// The four bytes at `at`, the first one being the largest.
std::int64_t BigEndian(const std::string& bytes, std::size_t at) {
  std::int64_t value = 0;
  for (std::size_t i = at; i < at + 4; ++i) {
    value = value << 8 | static_cast<unsigned char>(bytes[i]);
  }
  return value;
}

// What is wrong with a header that stb does not read: it takes images for
// damaged that are too large for it. A PNG's size stands right behind its name.
absl::Status WrongHeader(const std::string& path, const std::string& bytes) {
  constexpr std::size_t kWidth = 16, kHeight = 20, kEnd = 24;
  if (absl::StartsWith(bytes, kPng) && bytes.size() >= kEnd) {
    const std::int64_t width = BigEndian(bytes, kWidth);
    const std::int64_t height = BigEndian(bytes, kHeight);
    if (width > 0 && height > kMaxPixels / width) {
      return TooManyPixels(path, width, height);
    }
  }
  return Wrong(path, "is not a PNG or JPEG image");
}

// Over white, so that what an invisible pixel hides does not matter.
std::string OnWhite(const stbi_uc* rgba, std::size_t pixels) {
  std::string rgb;
  rgb.reserve(pixels * kChannels);
  for (std::size_t i = 0; i < pixels; ++i) {
    const int alpha = rgba[4 * i + 3];
    for (std::size_t c = 0; c < kChannels; ++c) {
      const int value = rgba[4 * i + c] * alpha + (255 - alpha) * 255;
      rgb.push_back(static_cast<char>((value + 127) / 255));
    }
  }
  return rgb;
}

void AppendBytes(void* out, void* data, int size) {
  static_cast<std::string*>(out)->append(static_cast<const char*>(data), size);
}

void DrawTile(const Image& tile, int scale, int left, Image* picture) {
  for (int y = 0; y < tile.height * scale; ++y) {
    for (int x = 0; x < tile.width * scale; ++x) {
      const std::size_t from =
          (static_cast<std::size_t>(y / scale) * tile.width + x / scale) *
          kChannels;
      const std::size_t to =
          (static_cast<std::size_t>(y) * picture->width + left + x) * kChannels;
      std::copy_n(&tile.pixels[from], kChannels, &picture->pixels[to]);
    }
  }
}

}  // namespace

absl::StatusOr<Image> ReadImage(const std::string& path) {
  const auto bytes = ReadBytes(path);
  if (!bytes.ok()) return bytes.status();
  const auto* data = reinterpret_cast<const stbi_uc*>(bytes->data());
  const int size = static_cast<int>(bytes->size());
  Image image;
  int channels = 0;
  if (!IsPngOrJpeg(*bytes) ||
      !stbi_info_from_memory(data, size, &image.width, &image.height,
                             &channels)) {
    return WrongHeader(path, *bytes);
  }
  if (std::int64_t{image.width} * image.height > kMaxPixels) {
    return TooManyPixels(path, image.width, image.height);
  }
  stbi_uc* pixels = stbi_load_from_memory(
      data, size, &image.width, &image.height, &channels, STBI_rgb_alpha);
  if (pixels == nullptr) {
    return Wrong(path, absl::StrCat("is damaged: ", stbi_failure_reason()));
  }
  image.pixels =
      OnWhite(pixels, static_cast<std::size_t>(image.width) * image.height);
  stbi_image_free(pixels);
  return image;
}

absl::Status WritePng(const std::string& path, const Image& image) {
  std::string bytes;
  if (!stbi_write_png_to_func(AppendBytes, &bytes, image.width, image.height,
                              kChannels, image.pixels.data(),
                              image.width * kChannels)) {
    return absl::InternalError(absl::StrCat(path, ": cannot encode as PNG"));
  }
  return WriteOutput(path, {bytes});
}

Image Resize(const Image& image, int side) {
  if (image.width == side && image.height == side) return image;
  Image small{side, side,
              std::string(std::size_t{1} * side * side * kChannels, '\0')};
  stbir_resize_uint8(
      reinterpret_cast<const unsigned char*>(image.pixels.data()), image.width,
      image.height, 0, reinterpret_cast<unsigned char*>(small.pixels.data()),
      side, side, 0, kChannels);
  return small;
}

Comparison MakeComparison(const Image& original, const Image& adversarial,
                          int scale) {
  const auto change = [&](std::size_t i) {
    return static_cast<unsigned char>(adversarial.pixels[i]) -
           static_cast<unsigned char>(original.pixels[i]);
  };
  int largest = 0;
  for (std::size_t i = 0; i < original.pixels.size(); ++i) {
    largest = std::max(largest, std::abs(change(i)));
  }
  Comparison result;
  result.amplification = largest == 0 ? 1 : std::max(1, 127 / largest);
  Image perturbation = original;
  for (std::size_t i = 0; i < original.pixels.size(); ++i) {
    perturbation.pixels[i] = static_cast<char>(
        std::clamp(128 + result.amplification * change(i), 0, 255));
  }
  const int tile = original.width * scale;
  result.picture.width = 3 * tile + 2 * scale;
  result.picture.height = original.height * scale;
  result.picture.pixels.assign(
      std::size_t{1} * result.picture.width * result.picture.height * kChannels,
      '\xff');
  DrawTile(original, scale, 0, &result.picture);
  DrawTile(perturbation, scale, tile + scale, &result.picture);
  DrawTile(adversarial, scale, 2 * (tile + scale), &result.picture);
  return result;
}

v1::ImageBatch ToBatch(const std::vector<Image>& images) {
  v1::ImageBatch batch;
  batch.set_data_type(v1::DATA_TYPE_UINT8);
  batch.set_layout(v1::IMAGE_LAYOUT_NHWC);
  batch.add_shape(static_cast<std::int64_t>(images.size()));
  batch.add_shape(images.front().height);
  batch.add_shape(images.front().width);
  batch.add_shape(kChannels);
  for (const Image& image : images) batch.mutable_data()->append(image.pixels);
  return batch;
}

absl::StatusOr<Image> FromBatch(const v1::ImageBatch& batch,
                                std::int64_t index) {
  const bool nchw = batch.layout() != v1::IMAGE_LAYOUT_NHWC;
  if (batch.data_type() != v1::DATA_TYPE_UINT8 || batch.shape_size() != 4 ||
      batch.shape(nchw ? 1 : 3) != kChannels) {
    return absl::InternalError("the server's image is not 8-bit RGB");
  }
  const std::int64_t height = batch.shape(nchw ? 2 : 1);
  const std::int64_t width = batch.shape(nchw ? 3 : 2);
  const auto bytes = static_cast<std::int64_t>(batch.data().size());
  if (height < 1 || width < 1 || height > kMaxPixels / width ||
      index >= bytes / (height * width * kChannels)) {
    return absl::InternalError("the server's image has a wrong length");
  }
  const std::int64_t plane = height * width;
  const std::int64_t first = index * plane * kChannels;
  Image image{static_cast<int>(width), static_cast<int>(height),
              batch.data().substr(first, plane * kChannels)};
  if (!nchw) return image;
  for (std::int64_t i = 0; i < plane; ++i) {
    for (int c = 0; c < kChannels; ++c) {
      image.pixels[i * kChannels + c] = batch.data()[first + c * plane + i];
    }
  }
  return image;
}

}  // namespace adv
