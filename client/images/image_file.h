#ifndef ADV_CLIENT_IMAGES_IMAGE_FILE_H_
#define ADV_CLIENT_IMAGES_IMAGE_FILE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adv/v1/image.pb.h"

namespace adv {

// Side of the images that the models take.
inline constexpr int kModelSide = 32;

// An RGB image: rows from the top, three bytes a pixel, no gaps.
struct Image {
  int width = 0;
  int height = 0;
  std::string pixels;
};

// Reads a PNG or JPEG file: at most 64 MB, and 64 million pixels. What is
// transparent lies on white, grey becomes RGB, 16 bits become 8. Errors name
// the file.
absl::StatusOr<Image> ReadImage(const std::string& path);

// Writes a PNG file as WriteOutput does.
absl::Status WritePng(const std::string& path, const Image& image);

// Resampled to side x side; the same bytes if it has that size already. The
// aspect ratio is not kept.
Image Resize(const Image& image, int side);

// Original, perturbation and adversarial side by side, each `scale` times as
// large by nearest neighbour, white gaps of `scale` pixels between. The
// perturbation is drawn as grey 128 + amplification * change.
struct Comparison {
  Image picture;
  // The largest that keeps all values in range, at least 1.
  int amplification = 1;
};
// Both images must have the same size.
Comparison MakeComparison(const Image& original, const Image& adversarial,
                          int scale);

// Images of one size as a request takes them: UINT8, NHWC.
v1::ImageBatch ToBatch(const std::vector<Image>& images);

// One image of an UINT8 batch in either layout, counted from 0.
absl::StatusOr<Image> FromBatch(const v1::ImageBatch& batch,
                                std::int64_t index = 0);

}  // namespace adv

#endif  // ADV_CLIENT_IMAGES_IMAGE_FILE_H_
