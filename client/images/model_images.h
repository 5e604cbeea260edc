#ifndef ADV_CLIENT_IMAGES_MODEL_IMAGES_H_
#define ADV_CLIENT_IMAGES_MODEL_IMAGES_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "adv/v1/model.pb.h"
#include "client/exit_code.h"
#include "client/images/image_file.h"
#include "client/session/context.h"

namespace adv {

// What the server knows of a model, NAME or NAME@VERSION. An error is told on
// the terminal.
ExitCode GetManifest(Context& context, Connection& server,
                     const std::string& model, v1::ModelManifest* manifest);

// The images that a model takes. FAILED_PRECONDITION if no image file has such:
// they are grey or of three colours.
absl::StatusOr<ImageShape> ShapeOf(const v1::ModelManifest& model);

// How many images go into one message if each takes `image_bytes` there: at
// most 128, which is well under a server's default limit of 1,024, and at most
// `most_bytes` together; at least one.
std::size_t ImagesPerCall(std::uint64_t image_bytes, std::uint64_t most_bytes);

}  // namespace adv

#endif  // ADV_CLIENT_IMAGES_MODEL_IMAGES_H_
