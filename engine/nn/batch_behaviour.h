#ifndef ADV_ENGINE_NN_BATCH_BEHAVIOUR_H_
#define ADV_ENGINE_NN_BATCH_BEHAVIOUR_H_

#include <absl/status/statusor.h>

#include "engine/nn/network.h"

namespace adv {

// How far a network's results for an image depend on anything but the image.
// A difference is that of two results for one image, relative to the largest of
// their absolute values.
struct BatchBehaviour {
  // Between two equal calls. Above 0: the network draws random numbers, or
  // keeps state.
  double between_runs = 0;
  // Between calls with the image in other slots, beside other images, in
  // batches of other sizes. Float32 rounding makes some 1e-6 of it; far more
  // says that images change each other, as in a batch normalisation that was
  // never switched to evaluation.
  double between_batches = 0;

  // See NetworkTraits::exact_in_any_batch.
  bool exact() const { return between_runs == 0 && between_batches == 0; }
};

// Of logits and, where the network gives them, gradients, at images that look
// like noise. Fails as a call of the network does.
absl::StatusOr<BatchBehaviour> MeasureBatchBehaviour(const Network& network);

}  // namespace adv

#endif  // ADV_ENGINE_NN_BATCH_BEHAVIOUR_H_
