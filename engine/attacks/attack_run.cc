#include "engine/attacks/attack_run.h"

namespace adv {

AttackResult MovedTo(at::Device device, AttackResult result) {
  for (at::Tensor* values :
       {&result.images, &result.logits, &result.success, &result.iterations,
        &result.zero_gradient, &result.gradients, &result.forwards,
        &result.member}) {
    if (values->defined()) *values = values->to(device);
  }
  return result;
}

}  // namespace adv
