#include "engine/attacks/layout.h"

#include <ATen/ATen.h>

namespace adv {

at::Tensor AsNetworksCompute(const at::Tensor& images) {
  return images.contiguous(at::MemoryFormat::ChannelsLast);
}

at::Tensor ValuesOf(const at::Tensor& images) {
  return images.permute({0, 2, 3, 1}).flatten(1);
}

at::Tensor ImagesOf(const at::Tensor& values, const at::Tensor& like) {
  return values.view({values.size(0), like.size(2), like.size(3), like.size(1)})
      .permute({0, 3, 1, 2});
}

at::Tensor PerPixel(const at::Tensor& numbers) {
  return numbers.view({-1, 1, 1, 1});
}

at::Tensor SelectRows(const at::Tensor& values, const at::Tensor& rows) {
  if (values.dim() != 4) return values.index_select(0, rows);
  // index_select writes plain rows, so the channels go last before it and come
  // back after it. The result is channels-last without another copy.
  return values.permute({0, 2, 3, 1})
      .index_select(0, rows)
      .permute({0, 3, 1, 2});
}

at::Tensor RepeatRows(const at::Tensor& values, int64_t times) {
  if (times == 1) return values;
  return SelectRows(
      values,
      at::arange(values.size(0), at::device(values.device()).dtype(at::kLong))
          .repeat({times}));
}

at::Tensor PositionsOf(const at::Tensor& mask) {
  return mask.nonzero().flatten();
}

}  // namespace adv
