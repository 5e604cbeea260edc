#ifndef ADV_ENGINE_NN_PRECISION_H_
#define ADV_ENGINE_NN_PRECISION_H_

namespace adv {

// How the passes of a network of float32 weights are computed.
enum class Precision {
  // The reference.
  kFloat32,
  // As fast as the device can: in bfloat16 on a CPU that has it. Logits and
  // gradients are only near the reference's, so what is found with them must be
  // confirmed with it.
  kFast,
};

}  // namespace adv

#endif  // ADV_ENGINE_NN_PRECISION_H_
