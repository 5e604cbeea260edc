#ifndef ADV_ENGINE_ATTACKS_CHECK_H_
#define ADV_ENGINE_ATTACKS_CHECK_H_

#include <absl/status/status.h>

#include "engine/attacks/attack_run.h"
#include "engine/nn/network.h"

namespace adv {

// Checks what Attack::Run promises about the batch, for these networks.
// INVALID_ARGUMENT names the field and the image. `on_lattice`: the images must
// lie on the multiples of 1/255, to within a thousandth of a step.
absl::Status CheckBatch(const Network& target, const Network& source,
                        const AttackBatch& batch, bool on_lattice);

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_CHECK_H_
