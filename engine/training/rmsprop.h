#ifndef ADV_ENGINE_TRAINING_RMSPROP_H_
#define ADV_ENGINE_TRAINING_RMSPROP_H_

#include <ATen/core/Tensor.h>

namespace adv {

// RMSProp in Keras's form of 2017, on one flat float32 vector:
//   v <- rho v + (1 - rho) g^2
//   p <- p - rate g / (sqrt(v) + epsilon)
// The epsilon is outside the root, and v starts at 0.
class RmsProp {
 public:
  // `parameters` [P] is updated in place and shares its memory with the
  // caller.
  RmsProp(at::Tensor parameters, double rho, double epsilon);

  // `rate` is a float32 scalar on the parameters' device, so that a recorded
  // step can be replayed with another rate. `gradient` [P] is overwritten.
  void Step(at::Tensor& gradient, const at::Tensor& rate);

  // v, [P]: all of the optimizer's state. Copy into it to restore it.
  const at::Tensor& mean_square() const { return mean_square_; }

 private:
  at::Tensor parameters_;
  at::Tensor mean_square_;
  at::Tensor scratch_;  // [P], so that a step allocates nothing
  double rho_;
  double epsilon_;
};

}  // namespace adv

#endif  // ADV_ENGINE_TRAINING_RMSPROP_H_
