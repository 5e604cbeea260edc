#ifndef ADV_ENGINE_NN_ONNX_H_
#define ADV_ENGINE_NN_ONNX_H_

#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>

#include <memory>

#include "engine/nn/foreign_interface.h"

namespace adv {

// Whether this program was built with ONNX Runtime.
bool HasOnnx();

// A model in ONNX's form as a network on the CPU that gives scores or
// decisions: its first input takes images, float32 [N, channels, height,
// width] with any N or a fixed one, its first output gives float32
// [N, classes]. Where N is fixed, larger calls are split and smaller ones
// filled up.
//
// INVALID_ARGUMENT if the bytes are no model, or one that takes or gives
// something else; UNIMPLEMENTED without ONNX Runtime.
absl::StatusOr<std::unique_ptr<const Network>> LoadOnnx(
    absl::string_view bytes, const ForeignInterface& interface);

}  // namespace adv

#endif  // ADV_ENGINE_NN_ONNX_H_
