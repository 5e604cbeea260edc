#ifndef ADV_ENGINE_NN_NETWORK_H_
#define ADV_ENGINE_NN_NETWORK_H_

#include <ATen/core/Tensor.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "engine/nn/access.h"

namespace adv {

// Maps logits [N, classes] to the gradient [N, classes] of some scalar loss,
// summed over the images, with respect to those logits. Called under no
// autograd; must be a pure function of each row, since it may be called several
// times, also by threads at once, and with rows whose result is not used.
using LogitGradient = std::function<at::Tensor(const at::Tensor& logits)>;

// Both on the network's device, without a graph.
struct LogitsAndGradient {
  at::Tensor logits;    // [N, classes], contiguous
  at::Tensor gradient;  // [N, channels, height, width], d loss / d pixel, in
                        // the images' memory format, channels-last being the
                        // network's own
};

// What its callers must know of a network.
struct NetworkTraits {
  std::vector<int64_t> image_shape;  // {channels, height, width}
  int64_t classes = 0;
  // What it tells of an image.
  Access access = Access::kGradients;
  // Whether an image's results are the same to the last bit whatever the number
  // of images in the call, its slot and its neighbours. Where they are not,
  // calls of one shape, padded if need be, make them so. Ours are on a CPU.
  bool exact_in_any_batch = false;
  // Whether padding is worth what it costs: the room of an image on a device,
  // but a query to an endpoint.
  bool padding_helps = true;
  // Images that are best attacked together: enough to fill the device.
  int64_t good_batch = 128;
  // Where images are best put and results come back: "cpu" or "cuda:0".
  at::Device device = at::kCPU;

  // Whether calls are to be padded to one shape.
  bool padded() const { return !exact_in_any_batch && padding_helps; }
};

// An immutable, frozen classifier in evaluation mode. Takes pixels in [0, 1],
// float32, [N, channels, height, width], on any device, in any memory format.
// Normalisation, precision and the device of the weights are its own affair,
// so that an epsilon means the same for every model.
//
// Thread-safe: all methods are const and keep no state between calls.
//
// A call fails with a status where that is part of the network's life, as when
// an endpoint does not answer; it says what to do. Shapes are checked; a wrong
// one throws c10::Error (requests are validated before they come here).
class Network {
 public:
  explicit Network(NetworkTraits traits) : traits_(std::move(traits)) {}
  virtual ~Network() = default;

  const NetworkTraits& traits() const { return traits_; }

  // Logits [N, classes], float32, without a graph. A network that gives
  // decisions alone has rows with 1 at the class and 0 elsewhere (OneHot).
  virtual absl::StatusOr<at::Tensor> Logits(const at::Tensor& images) const = 0;

  // Logits and the gradient with respect to the images, with one forward and
  // one backward pass. `loss_gradient` is handed the logits of that forward.
  // UNIMPLEMENTED by default: only networks with access to gradients have it.
  virtual absl::StatusOr<LogitsAndGradient> InputGradient(
      const at::Tensor& images, const LogitGradient& loss_gradient) const;

  // This network with passes of Precision::kFast, which belongs to it; null:
  // nothing here is faster than float32. The first call may have to make it.
  virtual const Network* Fast() const { return nullptr; }

  // Logits and the gradient of the attack loss L (see loss.h) of `classes`,
  // [N] int64: ascending it leads away from those classes, descending it
  // leads toward them.
  absl::StatusOr<LogitsAndGradient> LossGradient(
      const at::Tensor& images, const at::Tensor& classes) const;

 private:
  const NetworkTraits traits_;
};

// The answer of a network that gives decisions alone: [N, classes] float32 for
// `decisions` [N] int64, each in 0 .. classes - 1.
at::Tensor OneHot(const at::Tensor& decisions, int64_t classes);

}  // namespace adv

#endif  // ADV_ENGINE_NN_NETWORK_H_
