#ifndef ADV_MODEL_STORE_TRAINER_GOLDEN_OUTPUTS_H_
#define ADV_MODEL_STORE_TRAINER_GOLDEN_OUTPUTS_H_

#include <absl/status/statusor.h>

#include "adv/v1/model.pb.h"
#include "engine/nn/network.h"

namespace adv {

// The outputs of `network` for a few images, against which each load of the
// model is tested. The tolerance covers the differences between devices and
// libraries, some 1e-5 of the logits; different models differ by far more.
absl::StatusOr<v1::GoldenOutputs> MakeGolden(const Network& network);

}  // namespace adv

#endif  // ADV_MODEL_STORE_TRAINER_GOLDEN_OUTPUTS_H_
