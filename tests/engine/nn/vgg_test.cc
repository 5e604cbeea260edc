#include "engine/nn/vgg.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "engine/nn/loss.h"
#include "engine/nn/vgg_network.h"

namespace adv {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<Layer> LayersOf(const std::string& architecture) {
  return VggLayers(architecture).value();
}

std::string Describe(const Layer& layer) {
  switch (layer.kind) {
    case LayerKind::kConv:
    case LayerKind::kDense:
      return layer.name + " " + std::to_string(layer.in) + ">" +
             std::to_string(layer.out);
    case LayerKind::kRelu:
      return "relu";
    case LayerKind::kMaxPool:
      return "pool";
    case LayerKind::kDropout:
      return layer.dropout == 0.25 ? "drop .25" : "drop .5";
    case LayerKind::kFlatten:
      return "flatten";
  }
  return "";
}

std::vector<std::string> Describe(const std::vector<Layer>& layers) {
  std::vector<std::string> lines;
  for (const Layer& layer : layers) lines.push_back(Describe(layer));
  return lines;
}

at::Tensor RandomImages(int64_t count, uint64_t seed) {
  at::manual_seed(seed);
  return at::rand({count, 3, 32, 32});
}

std::shared_ptr<const Network> MakeRandom(uint64_t seed) {
  return MakeVgg("table51", InitialParameters(LayersOf("table51"), seed),
                 at::kCPU)
      .value();
}

TEST(VggLayersTest, Table51HasASingleReluInBlocksTwoAndThree) {
  EXPECT_THAT(
      Describe(LayersOf("table51")),
      ElementsAre("conv1 3>32", "relu", "conv2 32>32", "relu", "pool",
                  "drop .25",  //
                  "conv3 32>64", "conv4 64>64", "conv5 64>64", "relu", "pool",
                  "drop .25",  //
                  "conv6 64>128", "conv7 128>128", "conv8 128>128", "relu",
                  "pool", "drop .25",  //
                  "flatten", "dense1 2048>512", "relu", "drop .5",
                  "dense2 512>10"));
}

TEST(VggLayersTest, ReluEachHasOneAfterEachConvolution) {
  EXPECT_THAT(Describe(LayersOf("relu_each")),
              ElementsAre("conv1 3>32", "relu", "conv2 32>32", "relu", "pool",
                          "drop .25",  //
                          "conv3 32>64", "relu", "conv4 64>64", "relu",
                          "conv5 64>64", "relu", "pool", "drop .25",  //
                          "conv6 64>128", "relu", "conv7 128>128", "relu",
                          "conv8 128>128", "relu", "pool", "drop .25",  //
                          "flatten", "dense1 2048>512", "relu", "drop .5",
                          "dense2 512>10"));
}

TEST(VggLayersTest, Vgg16TransferIsVgg16sFirstThreeBlocksAndAHead) {
  EXPECT_THAT(
      Describe(LayersOf("vgg16_transfer")),
      ElementsAre("conv1 3>64", "relu", "conv2 64>64", "relu", "pool",      //
                  "conv3 64>128", "relu", "conv4 128>128", "relu", "pool",  //
                  "conv5 128>256", "relu", "conv6 256>256", "relu",
                  "conv7 256>256", "relu", "pool",  //
                  "flatten", "dense1 4096>512", "relu", "drop .5",
                  "dense2 512>10"));
}

// table51:  (3 32 + 32 32) 9 + 64              conv1, conv2
//         + (32 64 + 2 64 64) 9 + 3 64         conv3 to conv5
//         + (64 128 + 2 128 128) 9 + 3 128     conv6 to conv8
//         + 2048 512 + 512 + 512 10 + 10
// vgg16_transfer:
//           (3 64 + 64 64) 9 + 2 64            1792 + 36928
//         + (64 128 + 128 128) 9 + 2 128       73856 + 147584
//         + (128 256 + 2 256 256) 9 + 3 256    295168 + 2 590080
//         + 4096 512 + 512 + 512 10 + 10       2097664 + 5130
TEST(VggLayersTest, NumbersOfParameters) {
  const std::map<std::string, int64_t> expected = {{"table51", 1525738},
                                                   {"relu_each", 1525738},
                                                   {"vgg16_transfer", 3838282}};
  ASSERT_EQ(VggArchitectures().size(), expected.size());
  for (const auto& [name, count] : expected) {
    const std::vector<Layer> layers = LayersOf(name);
    EXPECT_EQ(CountParameters(layers), count) << name;
    int64_t stored = 0;
    for (const auto& [parameter, tensor] : InitialParameters(layers, 1)) {
      stored += tensor.numel();
    }
    EXPECT_EQ(stored, count) << name;
  }
}

TEST(VggLayersTest, ShapesOfParameters) {
  const auto shapes = ParameterShapes(LayersOf("vgg16_transfer"));
  EXPECT_EQ(shapes.size(), 18u);
  EXPECT_THAT(shapes.at("conv5.weight"), ElementsAre(256, 128, 3, 3));
  EXPECT_THAT(shapes.at("conv5.bias"), ElementsAre(256));
  EXPECT_THAT(shapes.at("dense1.weight"), ElementsAre(512, 4096));
  EXPECT_THAT(shapes.at("dense2.bias"), ElementsAre(10));
}

TEST(VggLayersTest, UnknownArchitectureListsTheKnown) {
  const absl::Status status = VggLayers("resnet").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("\"resnet\" is not known: must be one of table51, "
                        "relu_each, vgg16_transfer"));
}

TEST(VggForwardTest, ShapesAfterEachLayer) {
  const std::vector<Layer> layers = LayersOf("table51");
  const StateDict parameters = InitialParameters(layers, 1);
  const at::Tensor images = RandomImages(2, 1);
  const std::vector<std::vector<int64_t>> expected = {
      {32, 32, 32}, {32, 32, 32}, {32, 32, 32}, {32, 32, 32}, {32, 16, 16},
      {32, 16, 16}, {64, 16, 16}, {64, 16, 16}, {64, 16, 16}, {64, 16, 16},
      {64, 8, 8},   {64, 8, 8},   {128, 8, 8},  {128, 8, 8},  {128, 8, 8},
      {128, 8, 8},  {128, 4, 4},  {128, 4, 4},  {128, 4, 4},  {512},
      {512},        {512},        {10}};
  ASSERT_EQ(layers.size(), expected.size());
  for (size_t i = 0; i < layers.size(); ++i) {
    const std::vector<Layer> prefix(layers.begin(), layers.begin() + i + 1);
    const at::Tensor output = VggForward(prefix, parameters, images);
    EXPECT_EQ(output.sizes().slice(1).vec(), expected[i]) << "layer " << i;
  }
}

// Another way to the same numbers: at::linear over the flattened map, so that
// the order (channel, row, column) of dense1's weights is checked.
TEST(VggForwardTest, AgreesWithLinearLayersOverTheFlattenedMap) {
  const std::vector<Layer> layers = LayersOf("table51");
  StateDict p = InitialParameters(layers, 2);
  at::manual_seed(2);
  for (auto& [name, tensor] : p) {
    if (tensor.dim() == 1) tensor = at::randn(tensor.sizes()) * 0.1;
  }
  const at::Tensor images = RandomImages(3, 2);
  const std::vector<Layer> maps(layers.begin(), layers.begin() + 19);
  const at::Tensor flat = VggForward(maps, p, images).contiguous().flatten(1);
  const at::Tensor hidden =
      at::relu(at::linear(flat, p.at("dense1.weight"), p.at("dense1.bias")));
  const at::Tensor expected =
      at::linear(hidden, p.at("dense2.weight"), p.at("dense2.bias"));
  EXPECT_TRUE(at::allclose(VggForward(layers, p, images), expected,
                           /*rtol=*/1e-4, /*atol=*/1e-5));
}

// table 5.1 drops after each of its three blocks and before its last layer.
TEST(VggForwardTest, DropoutScalesValuesAndReachesEveryParameter) {
  const std::vector<Layer> layers = LayersOf("table51");
  StateDict parameters = InitialParameters(layers, 3);
  for (auto& [name, tensor] : parameters) tensor.requires_grad_();
  const at::Tensor images = RandomImages(4, 3);
  const std::vector<at::Tensor> ones = {
      at::ones({4, 32, 16, 16}), at::ones({4, 64, 8, 8}),
      at::ones({4, 128, 4, 4}), at::ones({4, 512})};
  EXPECT_TRUE(at::equal(VggForward(layers, parameters, images),
                        VggForward(layers, parameters, images, ones)));

  // Without biases (they are zero), a factor of the last hidden layer is one
  // of the logits.
  std::vector<at::Tensor> factors = ones;
  factors[3] = at::tensor({0.f, 1.f, 2.f, 4.f}).view({4, 1}).expand({4, 512});
  const at::Tensor scaled = VggForward(layers, parameters, images, factors);
  EXPECT_TRUE(
      at::allclose(scaled, VggForward(layers, parameters, images) *
                               at::tensor({0.f, 1.f, 2.f, 4.f}).view({4, 1})));

  scaled.square().sum().backward();
  for (const auto& [name, tensor] : parameters) {
    ASSERT_TRUE(tensor.grad().defined()) << name;
    EXPECT_GT(tensor.grad().abs().max().item<float>(), 0) << name;
  }
}

TEST(InitialParametersTest, GlorotUniformFromTheSeedAlone) {
  const std::vector<Layer> layers = LayersOf("table51");
  const StateDict parameters = InitialParameters(layers, 5489);
  // The first output of the standard 64-bit Mersenne twister of seed 5489.
  const double unit = (14514284786278117030u >> 11) * std::pow(2.0, -53);
  const double conv1_limit = std::sqrt(6.0 / (3 * 9 + 32 * 9));
  EXPECT_EQ(parameters.at("conv1.weight").flatten()[0].item<float>(),
            static_cast<float>(conv1_limit * (2 * unit - 1)));

  const double dense1_limit = std::sqrt(6.0 / (2048 + 512));
  const at::Tensor dense1 = parameters.at("dense1.weight");
  EXPECT_LE(dense1.abs().max().item<double>(), dense1_limit);
  EXPECT_NEAR(dense1.std().item<double>(), dense1_limit / std::sqrt(3.0),
              1e-3 * dense1_limit);
  EXPECT_EQ(parameters.at("dense1.bias").abs().max().item<float>(), 0);

  EXPECT_TRUE(
      at::equal(dense1, InitialParameters(layers, 5489).at("dense1.weight")));
  EXPECT_FALSE(
      at::equal(dense1, InitialParameters(layers, 1).at("dense1.weight")));
}

TEST(CheckParametersTest, NamesEveryProblem) {
  const std::vector<Layer> layers = LayersOf("table51");
  StateDict parameters = InitialParameters(layers, 1);
  EXPECT_TRUE(CheckParameters(layers, parameters).ok());
  parameters.erase("conv3.bias");
  parameters["dense2.weight"] = at::zeros({512, 10});
  parameters["extra"] = at::zeros({1});
  parameters["conv1.bias"] = at::Tensor();
  const absl::Status status = CheckParameters(layers, parameters);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  const std::string message(status.message());
  EXPECT_THAT(message, HasSubstr("conv3.bias is missing"));
  EXPECT_THAT(message, HasSubstr("conv1.bias is missing"));
  EXPECT_THAT(message,
              HasSubstr("dense2.weight is [512, 10], must be [10, 512]"));
  EXPECT_THAT(message, HasSubstr("extra is not known"));
  EXPECT_EQ(MakeVgg("table51", parameters, at::kCPU).status(), status);
}

TEST(VggTest, SaysWhatItTakes) {
  const auto network = MakeRandom(1);
  EXPECT_EQ(network->traits().classes, 10);
  EXPECT_THAT(network->traits().image_shape, ElementsAre(3, 32, 32));
  EXPECT_EQ(network->traits().device, at::Device(at::kCPU));
  EXPECT_FALSE(
      MakeVgg("resnet", InitialParameters(LayersOf("table51"), 1), at::kCPU)
          .ok());
}

TEST(VggTest, RefusesOtherShapesAndTypes) {
  const auto network = MakeRandom(1);
  EXPECT_THROW(network->Logits(at::zeros({0, 3, 32, 32})).value(), c10::Error);
  EXPECT_THROW(network->Logits(at::zeros({2, 3, 32, 31})).value(), c10::Error);
  EXPECT_THROW(network->Logits(at::zeros({3, 32, 32})).value(), c10::Error);
  EXPECT_THROW(network->Logits(at::zeros({2, 3, 32, 32}, at::kDouble)).value(),
               c10::Error);
}

TEST(VggTest, KeepsItsOwnParameters) {
  StateDict parameters = InitialParameters(LayersOf("table51"), 4);
  const auto network = MakeVgg("table51", parameters, at::kCPU).value();
  const at::Tensor images = RandomImages(2, 4);
  const at::Tensor before = network->Logits(images).value();
  for (auto& [name, tensor] : parameters) tensor.zero_();
  EXPECT_TRUE(at::equal(network->Logits(images).value(), before));
}

TEST(VggTest, LeavesTheImagesAloneAndReturnsNoGraph) {
  const auto network = MakeRandom(5);
  const at::Tensor images = RandomImages(2, 5);
  const at::Tensor copy = images.clone();
  const at::Tensor classes = at::zeros({2}, at::kLong);
  at::NoGradGuard no_grad;  // as a caller may have it
  const LogitsAndGradient result =
      network->LossGradient(images, classes).value();
  EXPECT_TRUE(at::equal(images, copy));
  EXPECT_FALSE(images.requires_grad());
  for (const at::Tensor& tensor :
       {network->Logits(images).value(), result.logits, result.gradient}) {
    EXPECT_FALSE(tensor.requires_grad());
    EXPECT_TRUE(tensor.is_contiguous());
  }
  EXPECT_TRUE(at::equal(network->Logits(images).value(), result.logits));
}

// Whether the gradient in double precision at the image is another one within
// the rounding of float32: some ReLU or pooling stands at its kink.
bool Jumps(const std::vector<Layer>& layers, const StateDict& exact,
           const at::Tensor& image, const at::Tensor& label) {
  constexpr int64_t kTries = 6;
  constexpr double kRounding = 3e-6;
  const at::AutoGradMode enable(true);
  const at::Tensor noise =
      at::randn({kTries, 3, 32, 32}, at::kDouble) * kRounding;
  noise[0].zero_();
  const at::Tensor input = (image.to(at::kDouble) + noise).requires_grad_();
  const at::Tensor loss =
      AttackLoss(VggForward(layers, exact, input), label.expand({kTries}));
  const at::Tensor found = torch::autograd::grad({loss.sum()}, {input})[0];
  const double size = found.abs().max().item<double>();
  return (found - found[0]).abs().max().item<double>() > 3e-5 * size;
}

// Central differences in double precision, through VggForward, at random
// pixels. The gradient is float32: its error is some 1e-6 of the largest entry.
// At an image where rounding decides which value a pooling takes, another
// gradient is right, too: the one in double precision jumps there.
TEST(VggTest, LossGradientAgreesWithFiniteDifferences) {
  for (const std::string& architecture : VggArchitectures()) {
    const std::vector<Layer> layers = LayersOf(architecture);
    const StateDict parameters = InitialParameters(layers, 6);
    const auto network = MakeVgg(architecture, parameters, at::kCPU).value();
    constexpr int kCompared = 2;
    const at::Tensor images = RandomImages(10, 6);
    const at::Tensor classes = at::arange(10);
    const at::Tensor gradient =
        network->LossGradient(images, classes).value().gradient;

    StateDict exact;
    for (const auto& [name, tensor] : parameters) {
      exact[name] = tensor.to(at::kDouble);
    }
    constexpr int64_t kPixels = 6;
    constexpr double kStep = 1e-5;
    const at::Tensor pixels = at::randint(3 * 32 * 32, {kPixels}, at::kLong);
    int compared = 0;
    for (int64_t i = 0; i < images.size(0) && compared < kCompared; ++i) {
      if (Jumps(layers, exact, images[i], classes[i])) continue;
      ++compared;
      const at::Tensor step = at::zeros({kPixels, 3 * 32 * 32}, at::kDouble)
                                  .scatter(1, pixels.unsqueeze(1), kStep)
                                  .view({kPixels, 3, 32, 32});
      const at::Tensor image = images[i].to(at::kDouble);
      const at::Tensor losses = AttackLoss(
          VggForward(layers, exact, at::cat({image + step, image - step})),
          classes[i].expand({2 * kPixels}));
      const at::Tensor slope =
          (losses.slice(0, 0, kPixels) - losses.slice(0, kPixels)) /
          (2 * kStep);
      const at::Tensor found =
          gradient[i].flatten().index_select(0, pixels).to(at::kDouble);
      EXPECT_LT((found - slope).abs().max().item<double>(),
                1e-4 * gradient[i].abs().max().item<double>())
          << architecture << "\n"
          << found << "\n"
          << slope;
    }
    EXPECT_EQ(kCompared, compared) << architecture;
  }
}

}  // namespace
}  // namespace adv
