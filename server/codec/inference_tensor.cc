#include "server/codec/inference_tensor.h"

#include <ATen/ATen.h>

namespace adv {

std::string RawContents(const at::Tensor& tensor) {
  return {static_cast<const char*>(tensor.data_ptr()), tensor.nbytes()};
}

}  // namespace adv
