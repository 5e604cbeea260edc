// Image files from outside: decoding survives anything, and what is accepted
// has the pixels that its size tells.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "image_file/decode.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  for (const int channels : {0, 1, 3}) {
    const auto image = adv::DecodeImage(bytes, channels);
    if (!image.ok()) {
      if (image.status().message().empty()) std::abort();
      continue;
    }
    const int64_t pixels = int64_t{image->width} * image->height;
    if (pixels < 1 || pixels > adv::kMostImagePixels) std::abort();
    if (image->channels != 1 && image->channels != 3) std::abort();
    if (channels != 0 && image->channels != channels) std::abort();
    if (static_cast<int64_t>(image->pixels.size()) !=
        pixels * image->channels) {
      std::abort();
    }
  }
  return 0;
}
