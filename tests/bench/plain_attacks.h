#ifndef ADV_TESTS_BENCH_PLAIN_ATTACKS_H_
#define ADV_TESTS_BENCH_PLAIN_ATTACKS_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "tests/bench/plain_network.h"

namespace adv {

// Attacks as a careful user of LibTorch would write them, on whole batches.
// L-inf, untargeted.
struct PlainOutcome {
  at::Tensor fooled;      // [N] bool
  int64_t gradients = 0;  // passes times images
  int64_t forwards = 0;
};

struct PlainWalk {
  double epsilon = 0;
  double step_size = 0;
  int64_t steps = 1;
  // The first iterate; the images themselves if undefined.
  at::Tensor start;
  bool any_iterate = false;  // counts whatever fooled on the way
};

// FGSM (one step of epsilon), IGSM, PGD.
PlainOutcome PlainPgd(const PlainNetwork& network, const at::Tensor& images,
                      const at::Tensor& labels, const PlainWalk& walk);

// Auto-PGD with cross-entropy, after the published implementation.
PlainOutcome PlainApgd(const PlainNetwork& network, const at::Tensor& images,
                       const at::Tensor& labels, const PlainWalk& walk);

}  // namespace adv

#endif  // ADV_TESTS_BENCH_PLAIN_ATTACKS_H_
