#ifndef ADV_ENGINE_NN_NETWORK_H_
#define ADV_ENGINE_NN_NETWORK_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/nn/access.h"

namespace adv {

// Maps logits [N, classes] to the gradient [N, classes] of some scalar loss,
// summed over the images, with respect to those logits. Called under no
// autograd; must be a pure function of each row.
using LogitGradient = std::function<at::Tensor(const at::Tensor& logits)>;

// Both on the network's device, without a graph.
struct LogitsAndGradient {
  at::Tensor logits;    // [N, classes], contiguous
  at::Tensor gradient;  // [N, channels, height, width], d loss / d pixel, in
                        // the images' memory format, channels-last being the
                        // network's own
};

// An immutable, frozen classifier in evaluation mode. Takes pixels in [0, 1],
// float32, [N, channels, height, width], on any device, in any memory format.
// Normalisation, precision and the device of the weights are its own affair,
// so that an epsilon means the same for every model.
//
// Thread-safe: all methods are const and keep no state between calls.
//
// Shapes are checked; a wrong one throws c10::Error (requests are validated
// before they come here).
class Network {
 public:
  virtual ~Network() = default;

  virtual int64_t num_classes() const = 0;
  // {channels, height, width}
  virtual std::vector<int64_t> image_shape() const = 0;
  // Where images are best put and results come back: "cpu" or "cuda:0".
  virtual at::Device device() const = 0;

  // What it tells of an image.
  virtual Access access() const { return Access::kGradients; }
  // Whether an image's results are the same to the last bit whatever the number
  // of images in the call, its slot and its neighbours. Where they are not,
  // calls of one shape, padded if need be, make them so. Ours are on a CPU.
  virtual bool exact_in_any_batch() const { return device().is_cpu(); }

  // Logits [N, classes], float32, without a graph.
  virtual at::Tensor Logits(const at::Tensor& images) const = 0;

  // Logits and the gradient with respect to the images, with one forward and
  // one backward pass. Only with access to gradients. `loss_gradient` is handed
  // the logits of that forward.
  virtual LogitsAndGradient InputGradient(
      const at::Tensor& images, const LogitGradient& loss_gradient) const = 0;

  // Logits and the gradient of the attack loss L (see loss.h) of `classes`,
  // [N] int64: ascending it leads away from those classes, descending it
  // leads toward them.
  LogitsAndGradient LossGradient(const at::Tensor& images,
                                 const at::Tensor& classes) const;
};

}  // namespace adv

#endif  // ADV_ENGINE_NN_NETWORK_H_
