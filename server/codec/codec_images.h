#ifndef ADV_SERVER_CODEC_CODEC_IMAGES_H_
#define ADV_SERVER_CODEC_CODEC_IMAGES_H_

#include <ATen/core/Tensor.h>
#include <absl/strings/string_view.h>
#include <google/protobuf/repeated_field.h>

#include <cstdint>
#include <vector>

#include "adv/v1/image.pb.h"
#include "server/limits.h"
#include "server/wire/errors.h"

namespace adv {

// Images between the wire and the engine. Sizes are checked before anything
// is allocated, values before anything is computed.

// Float32 pixels [N, channels, height, width] in [0, 1], channels-last, on the
// CPU, owning their memory. `image_shape` is the model's {channels, height,
// width}. On a violation, recorded under `field`, the tensor is undefined.
at::Tensor DecodeImages(const v1::ImageBatch& batch, absl::string_view field,
                        const std::vector<int64_t>& image_shape,
                        const Limits& limits, FieldViolations* violations);

// `images` as DecodeImages returns them (a thesis-mode image may leave [0, 1]
// as FLOAT32). UINT8 wants pixels on the lattice of multiples of 1/255.
void EncodeImages(const at::Tensor& images, v1::ImageLayout layout,
                  v1::DataType type, v1::ImageBatch* batch);

// Class numbers as [N] int64, each 0 to classes - 1, `count` of them; on a
// violation undefined.
at::Tensor DecodeLabels(const google::protobuf::RepeatedField<int32_t>& labels,
                        absl::string_view field, int64_t count, int64_t classes,
                        FieldViolations* violations);

}  // namespace adv

#endif  // ADV_SERVER_CODEC_CODEC_IMAGES_H_
