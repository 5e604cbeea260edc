#include "engine/attacks/layout.h"

#include <ATen/ATen.h>

namespace adv {

at::Tensor AsNetworksCompute(const at::Tensor& images) {
  return images.contiguous(at::MemoryFormat::ChannelsLast);
}

at::Tensor SelectRows(const at::Tensor& values, const at::Tensor& rows) {
  if (values.dim() != 4 || values.is_contiguous() ||
      !values.is_contiguous(at::MemoryFormat::ChannelsLast)) {
    return values.index_select(0, rows);
  }
  return values.permute({0, 2, 3, 1})
      .index_select(0, rows)
      .permute({0, 3, 1, 2});
}

}  // namespace adv
