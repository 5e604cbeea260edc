#include "engine/training/objective.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

namespace adv {
namespace {

using Method = AdversarialTraining::Method;

constexpr double kEpsilon = 0.1;

// One dense layer of two classes over two pixels: z_0 = 0, z_1 = x_0 - 2 x_1,
// so L of class 0 is z_1 and the worst image goes along the signs (+, -).
std::vector<Layer> LinearLayers() {
  Layer dense{LayerKind::kDense, "dense"};
  dense.in = 2;
  dense.out = 2;
  return {{LayerKind::kFlatten, ""}, dense};
}

StateDict LinearParameters() {
  return {{"dense.weight", at::tensor({0.f, 0.f, 1.f, -2.f}).view({2, 2})},
          {"dense.bias", at::zeros({2})}};
}

// Both images are of class 0; the second lies in a corner of the box.
TrainingBatch TwoImages(double start) {
  TrainingBatch batch;
  batch.images = at::tensor({0.5f, 0.5f, 0.95f, 0.05f}).view({2, 2, 1, 1});
  batch.labels = at::zeros({2}, at::kLong);
  batch.start = at::full({2, 2, 1, 1}, start);
  return batch;
}

AdversarialTraining Linf(Method method, int64_t steps, double step_size,
                         double clean_weight) {
  AdversarialTraining adversarial;
  adversarial.method = method;
  adversarial.epsilon = kEpsilon;
  adversarial.steps = steps;
  adversarial.step_size = step_size;
  adversarial.clean_weight = clean_weight;
  return adversarial;
}

double CrossEntropyOfClass0(double z1) { return std::log1p(std::exp(z1)); }

TEST(ObjectiveTest, IsTheMeanCrossEntropyOfTheImages) {
  const Objective objective(LinearLayers(), {});
  const Objective::Value value = objective.Of(LinearParameters(), TwoImages(0));
  // z_1 is .5 - 1 = -.5 and .95 - .1 = .85: the second image is wrong.
  EXPECT_NEAR(value.loss.item<double>(),
              (CrossEntropyOfClass0(-0.5) + CrossEntropyOfClass0(0.85)) / 2,
              1e-6);
  EXPECT_EQ(value.correct.item<int64_t>(), 1);
}

TEST(ObjectiveTest, FgsmExamplesAreTheBallsWorstCornerInsideTheBox) {
  const Objective objective(LinearLayers(),
                            Linf(Method::kFgsm, 1, 1.25 * kEpsilon, 0.5));
  const at::Tensor examples =
      objective.AdversarialExamples(LinearParameters(), TwoImages(0));
  EXPECT_TRUE(
      at::allclose(examples.flatten(), at::tensor({0.6f, 0.4f, 1.0f, 0.0f})));
}

// From the far corner one step of 1.25 epsilon only comes to 1/4 epsilon.
TEST(ObjectiveTest, ExamplesStartWhereTheyAreTold) {
  const Objective objective(LinearLayers(),
                            Linf(Method::kFgsm, 1, 1.25 * kEpsilon, 0.5));
  TrainingBatch batch = TwoImages(0);
  batch.start = at::tensor({-1.f, 1.f, -1.f, 1.f}).view({2, 2, 1, 1});
  const at::Tensor examples =
      objective.AdversarialExamples(LinearParameters(), batch);
  EXPECT_TRUE(at::allclose(examples.flatten(),
                           at::tensor({0.525f, 0.475f, 0.975f, 0.025f})));
}

TEST(ObjectiveTest, PgdTakesAllItsSteps) {
  const Objective objective(LinearLayers(),
                            Linf(Method::kPgd, 3, kEpsilon / 4, 0));
  const at::Tensor examples =
      objective.AdversarialExamples(LinearParameters(), TwoImages(0));
  EXPECT_TRUE(at::allclose(examples.flatten(),
                           at::tensor({0.575f, 0.425f, 1.0f, 0.0f})));
}

TEST(ObjectiveTest, MixesTheLossesByTheirWeight) {
  const double clean =
      (CrossEntropyOfClass0(-0.5) + CrossEntropyOfClass0(0.85)) / 2;
  // .6 - .8 = -.2 and 1 - 0 = 1
  const double adversarial =
      (CrossEntropyOfClass0(-0.2) + CrossEntropyOfClass0(1)) / 2;
  for (const double weight : {0.0, 0.25, 0.5}) {
    const Objective objective(LinearLayers(),
                              Linf(Method::kFgsm, 1, 1.25 * kEpsilon, weight));
    EXPECT_NEAR(
        objective.Of(LinearParameters(), TwoImages(0)).loss.item<double>(),
        weight * clean + (1 - weight) * adversarial, 1e-6)
        << weight;
  }
}

TEST(ObjectiveTest, ExamplesAreConstantsOfTheGradient) {
  StateDict parameters = LinearParameters();
  for (auto& [name, value] : parameters) value.requires_grad_();
  const Objective objective(LinearLayers(), Linf(Method::kPgd, 2, kEpsilon, 0));
  objective.Of(parameters, TwoImages(0)).loss.backward();
  // d loss / d w_1 = mean of sigmoid(z_1) x', at x' = (.6, .4) and (1, 0).
  const auto sigmoid = [](double z) { return 1 / (1 + std::exp(-z)); };
  const double a = sigmoid(-0.2);
  const double b = sigmoid(1);
  EXPECT_TRUE(at::allclose(parameters.at("dense.weight").grad()[1],
                           at::tensor({static_cast<float>((0.6 * a + b) / 2),
                                       static_cast<float>(0.4 * a / 2)})));
}

}  // namespace
}  // namespace adv
