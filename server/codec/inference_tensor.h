#ifndef ADV_SERVER_CODEC_INFERENCE_TENSOR_H_
#define ADV_SERVER_CODEC_INFERENCE_TENSOR_H_

#include <ATen/core/Tensor.h>

#include <string>

namespace adv {

// What both ends of the Open Inference Protocol say of a tensor: the server of
// a model and the client of an endpoint.

// Its datatypes.
inline constexpr char kFp32[] = "FP32";
inline constexpr char kInt64[] = "INT64";

// The values of a contiguous tensor on the CPU for raw contents: row-major, and
// little-endian as the protocol and this machine are.
std::string RawContents(const at::Tensor& tensor);

}  // namespace adv

#endif  // ADV_SERVER_CODEC_INFERENCE_TENSOR_H_
