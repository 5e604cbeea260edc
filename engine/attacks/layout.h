#ifndef ADV_ENGINE_ATTACKS_LAYOUT_H_
#define ADV_ENGINE_ATTACKS_LAYOUT_H_

#include <ATen/core/Tensor.h>

namespace adv {

// Channels-last: as networks compute, so that no pass has to copy `images`.
at::Tensor AsNetworksCompute(const at::Tensor& images);

// index_select of `rows` [M], which keeps images channels-last.
at::Tensor SelectRows(const at::Tensor& values, const at::Tensor& rows);

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_LAYOUT_H_
