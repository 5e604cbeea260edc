#ifndef ADV_ENGINE_DATA_NPY_H_
#define ADV_ENGINE_DATA_NPY_H_

#include <ATen/core/Tensor.h>
#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>

namespace adv {

// The array of a .npy file (numpy.save; format versions 1 to 3): uint8, int8 to
// int64, float32 or float64, little-endian, in C order. The tensor owns its
// memory. INVALID_ARGUMENT says what is wrong; lengths are checked before
// memory is allocated.
absl::StatusOr<at::Tensor> ParseNpy(absl::string_view bytes);

}  // namespace adv

#endif  // ADV_ENGINE_DATA_NPY_H_
