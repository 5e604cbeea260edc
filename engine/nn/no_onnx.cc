// What a program built without ONNX Runtime has in place of onnx.cc.
#include "engine/nn/onnx.h"

namespace adv {

bool HasOnnx() { return false; }

absl::StatusOr<std::unique_ptr<const Network>> LoadOnnx(
    absl::string_view bytes, const ForeignInterface& interface) {
  return absl::UnimplementedError(
      "format onnx needs ONNX Runtime, which this program was built without");
}

}  // namespace adv
