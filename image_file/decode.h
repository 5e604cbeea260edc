#ifndef ADV_IMAGE_FILE_DECODE_H_
#define ADV_IMAGE_FILE_DECODE_H_

#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>

#include <cstdint>
#include <string>

namespace adv {

// Pixels of one image file.
inline constexpr int64_t kMostImagePixels = 64'000'000;

// Rows from the top, the values of a pixel side by side, no gaps.
struct DecodedImage {
  int width = 0;
  int height = 0;
  int channels = 0;  // 1: grey; 3: red, green, blue
  std::string pixels;
};

// The image of a PNG or JPEG file's bytes, as people see it: turned as the
// EXIF data of a JPEG say, with what is transparent on white, 16 bits as 8.
// `channels` is 1 or 3, or 0 for what the file has.
//
// INVALID_ARGUMENT says what is wrong: no PNG or JPEG, damaged, of 2 GiB or
// more, or of more pixels than kMostImagePixels, with its size. Thread-safe.
absl::StatusOr<DecodedImage> DecodeImage(absl::string_view bytes, int channels);

}  // namespace adv

#endif  // ADV_IMAGE_FILE_DECODE_H_
