#ifndef ADV_ENGINE_ATTACKS_LAYOUT_H_
#define ADV_ENGINE_ATTACKS_LAYOUT_H_

#include <ATen/core/Tensor.h>

namespace adv {

// Images [M, channels, height, width] lie in memory as networks compute with
// them, channels-last: by image, row, column and then channel. Within a run no
// pass and no step copies them into another layout.

// Turns `images` to it, once; those that lie so already are not copied.
at::Tensor AsNetworksCompute(const at::Tensor& images);

// The values of each image by row, column and then channel, [M, values], and
// channels-last images of the shape of `like` [any, channels, height, width]
// from such values. Both share the memory of what they are given, if that lies
// so.
at::Tensor ValuesOf(const at::Tensor& images);
at::Tensor ImagesOf(const at::Tensor& values, const at::Tensor& like);

// A number for each image, [M], as one that its pixels can be multiplied with.
at::Tensor PerPixel(const at::Tensor& numbers);

// index_select of `rows` [M]; images come out channels-last.
at::Tensor SelectRows(const at::Tensor& values, const at::Tensor& rows);

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_LAYOUT_H_
