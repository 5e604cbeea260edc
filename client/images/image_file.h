#ifndef ADV_CLIENT_IMAGES_IMAGE_FILE_H_
#define ADV_CLIENT_IMAGES_IMAGE_FILE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adv/v1/image.pb.h"

namespace adv {

// Rows from the top, the values of a pixel side by side, no gaps.
struct Image {
  int width = 0;
  int height = 0;
  std::string pixels;
  int channels = 3;  // red, green, blue; or 1: grey
};

// What a model takes.
struct ImageShape {
  int channels = 3;  // 1 or 3
  int height = 0;
  int width = 0;
};

// Reads a PNG or JPEG file: at most 64 MB, and 64 million pixels. It comes as
// people see it (see DecodeImage) with 1 or 3 `channels`: grey is spread, or
// colours become grey. Errors name the file.
absl::StatusOr<Image> ReadImage(const std::string& path, int channels = 3);

// Writes a PNG file as WriteOutput does.
absl::Status WritePng(const std::string& path, const Image& image);

// Resampled to the width and height of `shape`; the same bytes if it has them
// already. The aspect ratio is not kept, the channels are.
Image Resize(const Image& image, const ImageShape& shape);

// Original, perturbation and adversarial side by side, each `scale` times as
// large by nearest neighbour, white gaps of `scale` pixels between. The
// perturbation is drawn as grey 128 + amplification * change.
struct Comparison {
  Image picture;
  // The largest that keeps all values in range, at least 1.
  int amplification = 1;
};
// Both images must have the same size and channels.
Comparison MakeComparison(const Image& original, const Image& adversarial,
                          int scale);

// Images of one size and of as many channels, as a request takes them: UINT8,
// NHWC.
v1::ImageBatch ToBatch(const std::vector<Image>& images);

// One image of an UINT8 batch in either layout, counted from 0.
absl::StatusOr<Image> FromBatch(const v1::ImageBatch& batch,
                                std::int64_t index = 0);

}  // namespace adv

#endif  // ADV_CLIENT_IMAGES_IMAGE_FILE_H_
