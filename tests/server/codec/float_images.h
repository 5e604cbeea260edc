#ifndef ADV_TESTS_SERVER_CODEC_FLOAT_IMAGES_H_
#define ADV_TESTS_SERVER_CODEC_FLOAT_IMAGES_H_

#include <cstdint>
#include <vector>

#include "adv/v1/image.pb.h"

namespace adv {

// Images of the toy model's shape, twelve values each, as they are sent.
inline v1::ImageBatch FloatImages(const std::vector<float>& values) {
  v1::ImageBatch images;
  images.set_data(values.data(), values.size() * sizeof(float));
  images.add_shape(static_cast<int64_t>(values.size()) / 12);
  for (const int size : {3, 2, 2}) images.add_shape(size);
  images.set_data_type(v1::DATA_TYPE_FLOAT32);
  images.set_layout(v1::IMAGE_LAYOUT_NCHW);
  return images;
}

}  // namespace adv

#endif  // ADV_TESTS_SERVER_CODEC_FLOAT_IMAGES_H_
