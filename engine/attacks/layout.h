#ifndef ADV_ENGINE_ATTACKS_LAYOUT_H_
#define ADV_ENGINE_ATTACKS_LAYOUT_H_

#include <ATen/core/Tensor.h>

namespace adv {

// Images [M, channels, height, width] lie in memory as networks compute with
// them, channels-last: by image, row, column and then channel. Within a run no
// pass and no step copies them into another layout.

// Returns `images` in this layout. Images that have it already are not copied.
at::Tensor AsNetworksCompute(const at::Tensor& images);

// ValuesOf gives the values of each image by row, column and then channel, [M,
// values]. ImagesOf makes channels-last images of the shape of `like` [any,
// channels, height, width] from such values. Both share the memory of their
// argument if its layout allows it.
at::Tensor ValuesOf(const at::Tensor& images);
at::Tensor ImagesOf(const at::Tensor& values, const at::Tensor& like);

// Shapes a number for each image, [M], so that it multiplies all pixels of the
// image.
at::Tensor PerPixel(const at::Tensor& numbers);

// index_select of `rows` [M]; images come out channels-last.
at::Tensor SelectRows(const at::Tensor& values, const at::Tensor& rows);

// [times * M]: all M rows, `times` over. Images come out channels-last.
at::Tensor RepeatRows(const at::Tensor& values, int64_t times);

// [K] int64, rising: the positions at which `mask` [M] bool is true.
at::Tensor PositionsOf(const at::Tensor& mask);

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_LAYOUT_H_
