#include "client/images/image_file.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/files/output_file.h"
#include "client/printers/visible.h"
#include "image_file/decode.h"
#include "stb/stb_image_resize.h"
#include "stb/stb_image_write.h"

namespace adv {
namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t kMaxFileBytes = 64'000'000;

// A path may hold control characters, which must not reach the terminal.
absl::Status WrongImage(const std::string& path, const std::string& why) {
  return absl::InvalidArgumentError(Visible(absl::StrCat(path, ": ", why)));
}

// The whole file. The tests before it is opened give messages that name the
// cause.
absl::StatusOr<std::string> ReadBytes(const std::string& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (status.type() == fs::file_type::not_found) {
    return WrongImage(path, "there is no such file");
  }
  if (fs::is_directory(status))
    return WrongImage(path, "is a folder, not an image");
  // Only a regular file tells its size. A file that is too large is refused
  // before any of it is read.
  if (fs::is_regular_file(status)) {
    const std::uintmax_t size = fs::file_size(path, error);
    if (!error && size > kMaxFileBytes) {
      return WrongImage(
          path, absl::StrCat("has ", size, " bytes; images may have 64 MB"));
    }
  }
  // An ifstream says only that it failed; errno says why.
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) return WrongImage(path, std::strerror(errno));
  // Pipes have no size, so the limit is kept while reading, too.
  std::string bytes;
  char buffer[65536];
  // The last read is short and fails, but gcount() tells what it brought.
  while (file.read(buffer, sizeof(buffer)) || file.gcount() > 0) {
    bytes.append(buffer, file.gcount());
    if (bytes.size() > kMaxFileBytes) {
      return WrongImage(path, "is too long; images may have 64 MB");
    }
  }
  return bytes;
}

// The callback of stb: `out` is the string that it was given.
void AppendBytes(void* out, void* data, int size) {
  static_cast<std::string*>(out)->append(static_cast<const char*>(data), size);
}

// Copies the tile to column `left` of the picture, each pixel `scale` times as
// wide and as high.
void DrawTile(const Image& tile, int scale, int left, Image* picture) {
  for (int y = 0; y < tile.height * scale; ++y) {
    for (int x = 0; x < tile.width * scale; ++x) {
      const std::size_t from =
          (static_cast<std::size_t>(y / scale) * tile.width + x / scale) *
          tile.channels;
      const std::size_t to =
          (static_cast<std::size_t>(y) * picture->width + left + x) *
          tile.channels;
      std::copy_n(&tile.pixels[from], tile.channels, &picture->pixels[to]);
    }
  }
}

}  // namespace

absl::StatusOr<Image> ReadImage(const std::string& path, int channels) {
  const auto bytes = ReadBytes(path);
  if (!bytes.ok()) return bytes.status();
  auto decoded = DecodeImage(*bytes, channels);
  if (!decoded.ok()) {
    return WrongImage(path, std::string(decoded.status().message()));
  }
  return Image{decoded->width, decoded->height, std::move(decoded->pixels),
               decoded->channels};
}

absl::Status WritePng(const std::string& path, const Image& image) {
  std::string bytes;
  // PNG is made in memory, so that WriteOutput can replace the file in one
  // step.
  if (!stbi_write_png_to_func(AppendBytes, &bytes, image.width, image.height,
                              image.channels, image.pixels.data(),
                              image.width * image.channels)) {
    return absl::InternalError(absl::StrCat(path, ": cannot encode as PNG"));
  }
  return WriteOutput(path, {bytes});
}

Image Resize(const Image& image, const ImageShape& shape) {
  if (image.width == shape.width && image.height == shape.height) return image;
  Image small{shape.width, shape.height, "", image.channels};
  small.pixels.resize(std::size_t{1} * shape.width * shape.height *
                      image.channels);
  // The zeros are the strides: rows follow each other without gaps.
  stbir_resize_uint8(
      reinterpret_cast<const unsigned char*>(image.pixels.data()), image.width,
      image.height, 0, reinterpret_cast<unsigned char*>(small.pixels.data()),
      shape.width, shape.height, 0, image.channels);
  return small;
}

Comparison MakeComparison(const Image& original, const Image& adversarial,
                          int scale) {
  // The change of value `i`, -255 to 255. Without the casts a bright value
  // would be negative where char is signed.
  const auto change = [&](std::size_t i) {
    return static_cast<unsigned char>(adversarial.pixels[i]) -
           static_cast<unsigned char>(original.pixels[i]);
  };
  int largest = 0;
  for (std::size_t i = 0; i < original.pixels.size(); ++i) {
    largest = std::max(largest, std::abs(change(i)));
  }
  Comparison result;
  // The largest change then lies at most 127 from grey. Changes above 127
  // cannot be amplified, and clamp keeps them in range.
  result.amplification = largest == 0 ? 1 : std::max(1, 127 / largest);
  Image perturbation = original;
  for (std::size_t i = 0; i < original.pixels.size(); ++i) {
    perturbation.pixels[i] = static_cast<char>(
        std::clamp(128 + result.amplification * change(i), 0, 255));
  }
  const int tile = original.width * scale;
  // Three tiles with two gaps between them.
  result.picture.width = 3 * tile + 2 * scale;
  result.picture.height = original.height * scale;
  result.picture.channels = original.channels;
  result.picture.pixels.assign(std::size_t{1} * result.picture.width *
                                   result.picture.height * original.channels,
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
  // All images have the size of the first.
  batch.add_shape(images.front().height);
  batch.add_shape(images.front().width);
  batch.add_shape(images.front().channels);
  for (const Image& image : images) batch.mutable_data()->append(image.pixels);
  return batch;
}

absl::StatusOr<Image> FromBatch(const v1::ImageBatch& batch,
                                std::int64_t index) {
  // The batch comes from a server, so nothing about it is taken for granted.
  const bool nchw = batch.layout() != v1::IMAGE_LAYOUT_NHWC;
  const std::int64_t channels =
      batch.shape_size() == 4 ? batch.shape(nchw ? 1 : 3) : 0;
  if (batch.data_type() != v1::DATA_TYPE_UINT8 ||
      (channels != 1 && channels != 3)) {
    return absl::InternalError("the server's image is not 8-bit grey or RGB");
  }
  const std::int64_t height = batch.shape(nchw ? 2 : 1);
  const std::int64_t width = batch.shape(nchw ? 3 : 2);
  const auto bytes = static_cast<std::int64_t>(batch.data().size());
  // The division keeps height * width from overflowing. The index must lie
  // below the number of whole images in the bytes.
  if (height < 1 || width < 1 || height > kMostImagePixels / width ||
      index >= bytes / (height * width * channels)) {
    return absl::InternalError("the server's image has a wrong length");
  }
  const std::int64_t plane = height * width;
  const std::int64_t first = index * plane * channels;
  Image image{static_cast<int>(width), static_cast<int>(height),
              batch.data().substr(first, plane * channels),
              static_cast<int>(channels)};
  if (!nchw) return image;
  // NCHW has a plane for each channel; an image has the values of a pixel side
  // by side.
  for (std::int64_t i = 0; i < plane; ++i) {
    for (std::int64_t c = 0; c < channels; ++c) {
      image.pixels[i * channels + c] = batch.data()[first + c * plane + i];
    }
  }
  return image;
}

}  // namespace adv
