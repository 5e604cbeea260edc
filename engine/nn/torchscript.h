#ifndef ADV_ENGINE_NN_TORCHSCRIPT_H_
#define ADV_ENGINE_NN_TORCHSCRIPT_H_

#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>
#include <c10/core/Device.h>

#include <memory>

#include "engine/nn/foreign_interface.h"

namespace adv {

// A module that torch.jit.save wrote, in evaluation mode, as a network: one
// tensor of images in, one of [N, classes] out (of a tuple, its first entry).
//
// A module is code: it runs what its author wrote. Load none that you do not
// trust.
//
// INVALID_ARGUMENT if the bytes are no module, or the module does not take
// such images or gives something else; the message says what.
absl::StatusOr<std::unique_ptr<const Network>> LoadTorchScript(
    absl::string_view bytes, const ForeignInterface& interface,
    at::Device device);

}  // namespace adv

#endif  // ADV_ENGINE_NN_TORCHSCRIPT_H_
