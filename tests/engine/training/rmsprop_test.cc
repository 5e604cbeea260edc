#include "engine/training/rmsprop.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace adv {
namespace {

// Worked out by hand for rho .9, rate .1 and an epsilon of .1, large enough to
// tell whether it is added inside or outside of the root.
TEST(RmsPropTest, StepsByHandWorkedNumbers) {
  at::Tensor parameters = at::tensor({1.0f, -2.0f});
  RmsProp optimizer(parameters, /*rho=*/0.9, /*epsilon=*/0.1);

  const at::Tensor rate = at::scalar_tensor(0.1);
  at::Tensor gradient = at::tensor({0.5f, 0.0f});
  optimizer.Step(gradient, rate);
  // v = .1 * .25 = .025; p = 1 - .1 * .5 / (.158113883 + .1)
  EXPECT_NEAR(parameters[0].item<float>(), 0.806287043, 1e-6);
  EXPECT_EQ(parameters[1].item<float>(), -2.0f);
  EXPECT_NEAR(optimizer.mean_square()[0].item<float>(), 0.025, 1e-8);
  EXPECT_EQ(optimizer.mean_square()[1].item<float>(), 0.0f);

  gradient = at::tensor({-1.0f, 2.0f});
  optimizer.Step(gradient, rate);
  // v = .9 * .025 + .1 = .1225, root .35; .1 * 4 = .4, root .632455532
  EXPECT_NEAR(parameters[0].item<float>(), 0.806287043 + 0.1 / 0.45, 1e-6);
  EXPECT_NEAR(parameters[1].item<float>(), -2 - 0.2 / 0.732455532, 1e-6);
}

}  // namespace
}  // namespace adv
