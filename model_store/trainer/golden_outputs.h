#ifndef ADV_MODEL_STORE_TRAINER_GOLDEN_OUTPUTS_H_
#define ADV_MODEL_STORE_TRAINER_GOLDEN_OUTPUTS_H_

#include <absl/status/statusor.h>

#include "adv/v1/model.pb.h"
#include "engine/nn/network.h"

namespace adv {

// What `network` gives for a few images, by which each load of it is tested.
// Tolerates what devices and libraries differ by: some 1e-5 of the logits,
// where models differ by far more.
absl::StatusOr<v1::GoldenOutputs> MakeGolden(const Network& network);

}  // namespace adv

#endif  // ADV_MODEL_STORE_TRAINER_GOLDEN_OUTPUTS_H_
