#include "engine/nn/initial_weights.h"

#include <ATen/ATen.h>
#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <string>
#include <vector>

namespace adv {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

std::string FileOf(const StateDict& tensors,
                   WeightPrecision precision = WeightPrecision::kFloat32) {
  return SerializeSafetensors(tensors, precision).value();
}

// A file of one tensor with an arbitrary dtype.
std::string FileOf(const std::string& name, const std::string& dtype,
                   const std::string& shape, const std::string& data) {
  const std::string header = absl::StrCat(
      "{\"", name, "\":{\"dtype\":\"", dtype, "\",\"shape\":", shape,
      ",\"data_offsets\":[0,", data.size(), "]}}");
  const uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), 8) + header + data;
}

std::string ErrorOf(const std::string& architecture, const std::string& file) {
  const absl::Status status =
      LoadInitialWeights(VggLayers(architecture).value(), file).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  return std::string(status.message());
}

// The convolutions of torchvision's VGG16 as its state_dict names them, up to
// one after the third block.
StateDict TorchvisionVgg16() {
  at::manual_seed(3);
  const std::vector<std::vector<int64_t>> convolutions = {
      {0, 3, 64},     {2, 64, 64},    {5, 64, 128},   {7, 128, 128},
      {10, 128, 256}, {12, 256, 256}, {14, 256, 256}, {17, 256, 512}};
  StateDict tensors;
  for (const std::vector<int64_t>& c : convolutions) {
    tensors[absl::StrCat("features.", c[0], ".weight")] =
        at::randn({c[2], c[1], 3, 3});
    tensors[absl::StrCat("features.", c[0], ".bias")] = at::randn({c[2]});
  }
  tensors["classifier.0.weight"] = at::randn({4, 8});
  return tensors;
}

TEST(InitialWeightsTest, TakesTheFirstThreeBlocksOfTorchvisionsVgg16) {
  const StateDict file = TorchvisionVgg16();
  const auto weights =
      LoadInitialWeights(VggLayers("vgg16_transfer").value(), FileOf(file));
  ASSERT_TRUE(weights.ok()) << weights.status();
  EXPECT_THAT(
      weights->loaded,
      ElementsAre("features.0.weight", "features.0.bias", "features.2.weight",
                  "features.2.bias", "features.5.weight", "features.5.bias",
                  "features.7.weight", "features.7.bias", "features.10.weight",
                  "features.10.bias", "features.12.weight", "features.12.bias",
                  "features.14.weight", "features.14.bias"));
  EXPECT_THAT(weights->skipped,
              ElementsAre("classifier.0.weight: a head for other images",
                          "features.17.bias: no such layer here",
                          "features.17.weight: no such layer here"));
  EXPECT_THAT(weights->absent, ElementsAre("dense1.weight", "dense1.bias",
                                           "dense2.weight", "dense2.bias"));
  ASSERT_EQ(weights->parameters.size(), 14u);
  EXPECT_TRUE(at::equal(weights->parameters.at("conv1.weight"),
                        file.at("features.0.weight")));
  EXPECT_TRUE(at::equal(weights->parameters.at("conv3.bias"),
                        file.at("features.5.bias")));
  EXPECT_TRUE(at::equal(weights->parameters.at("conv7.weight"),
                        file.at("features.14.weight")));
}

TEST(InitialWeightsTest, AFewKeysAreEnough) {
  StateDict all = TorchvisionVgg16();
  const auto weights = LoadInitialWeights(
      VggLayers("vgg16_transfer").value(),
      FileOf({{"features.2.bias", all.at("features.2.bias")}},
             WeightPrecision::kFloat16));
  ASSERT_TRUE(weights.ok()) << weights.status();
  EXPECT_THAT(weights->loaded, ElementsAre("features.2.bias"));
  EXPECT_THAT(weights->skipped, IsEmpty());
  EXPECT_THAT(weights->absent, AllOf(SizeIs(17), Contains("conv2.weight"),
                                     Not(Contains("conv2.bias"))));
  EXPECT_TRUE(
      at::equal(weights->parameters.at("conv2.bias"),
                all.at("features.2.bias").to(at::kHalf).to(at::kFloat)));
}

TEST(InitialWeightsTest, AModelOfOursStartsAnother) {
  const StateDict model = InitialParameters(VggLayers("table51").value(), 7);
  const auto weights =
      LoadInitialWeights(VggLayers("relu_each").value(), FileOf(model));
  ASSERT_TRUE(weights.ok()) << weights.status();
  EXPECT_THAT(weights->absent, IsEmpty());
  EXPECT_THAT(weights->skipped, IsEmpty());
  EXPECT_TRUE(
      CheckParameters(VggLayers("relu_each").value(), weights->parameters)
          .ok());
  for (const auto& [name, tensor] : model) {
    EXPECT_TRUE(at::equal(weights->parameters.at(name), tensor)) << name;
  }
}

// relu_each has a dropout at the end of each block and 32 channels; counted,
// the second block would begin at 6.
TEST(InitialWeightsTest, DropoutsDoNotCountInTorchvisionsNames) {
  const auto weights =
      LoadInitialWeights(VggLayers("relu_each").value(),
                         FileOf({{"features.5.bias", at::ones({64})},
                                 {"features.6.bias", at::ones({64})}}));
  ASSERT_TRUE(weights.ok()) << weights.status();
  EXPECT_THAT(weights->loaded, ElementsAre("features.5.bias"));
  EXPECT_TRUE(at::equal(weights->parameters.at("conv3.bias"), at::ones({64})));
  EXPECT_THAT(weights->skipped,
              ElementsAre("features.6.bias: no such layer here"));
}

TEST(InitialWeightsTest, WrongShapesAreNamedAllOfThem) {
  StateDict file = TorchvisionVgg16();
  file["features.0.weight"] = at::zeros({32, 3, 3, 3});
  file["features.7.bias"] = at::zeros({1, 128});
  EXPECT_THAT(
      ErrorOf("vgg16_transfer", FileOf(file)),
      AllOf(HasSubstr("do not fit the architecture"),
            HasSubstr("features.0.weight is [32, 3, 3, 3], must be [64, 3, 3, "
                      "3]; features.7.bias is [1, 128], must be [128]")));
}

TEST(InitialWeightsTest, AModelOfAnotherWidthIsAWrongShape) {
  EXPECT_THAT(
      ErrorOf("vgg16_transfer",
              FileOf(InitialParameters(VggLayers("table51").value(), 1))),
      HasSubstr("conv1.weight is [32, 3, 3, 3], must be [64, 3, 3, 3]"));
}

TEST(InitialWeightsTest, ADtypeMattersOnlyWhereTheKeyDoes) {
  const std::string bytes(64 * 8, '\0');
  EXPECT_THAT(
      ErrorOf("vgg16_transfer",
              FileOf("features.0.bias", "I64", "[64]", bytes)),
      HasSubstr("features.0.bias: dtype is I64, must be F32, F16 or BF16"));

  const std::string mixed =
      R"({"features.0.bias":{"dtype":"BF16","shape":[64],)"
      R"("data_offsets":[0,128]},)"
      R"("steps":{"dtype":"I64","shape":[],"data_offsets":[128,136]}})";
  const uint64_t length = mixed.size();
  const auto weights = LoadInitialWeights(
      VggLayers("vgg16_transfer").value(),
      std::string(reinterpret_cast<const char*>(&length), 8) + mixed +
          std::string(136, '\0'));
  ASSERT_TRUE(weights.ok()) << weights.status();
  EXPECT_THAT(weights->loaded, ElementsAre("features.0.bias"));
  EXPECT_THAT(weights->skipped, ElementsAre("steps: no such parameter here"));
}

TEST(InitialWeightsTest, ValuesMustBeFiniteWhereTheyAreLoaded) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(),
                          std::numeric_limits<float>::infinity()}) {
    std::string values(64 * sizeof(float), '\0');
    std::memcpy(values.data() + 8, &bad, sizeof(bad));
    EXPECT_THAT(ErrorOf("vgg16_transfer",
                        FileOf("features.0.bias", "F32", "[64]", values)),
                HasSubstr("features.0.bias: holds a value that is not finite"));
  }
}

TEST(InitialWeightsTest, AFileOfWhichNothingFits) {
  EXPECT_THAT(ErrorOf("vgg16_transfer",
                      FileOf({{"layer1.0.conv1.weight", at::ones({1})},
                              {"features.1.weight", at::ones({64})}})),
              AllOf(HasSubstr("none of the file's 2 tensors"),
                    HasSubstr("conv3.weight or features.5.weight"),
                    HasSubstr("dense2.bias")));
  EXPECT_THAT(ErrorOf("vgg16_transfer", FileOf("", "F32", "[1]", "1234")),
              HasSubstr("none of the file's 1 tensors"));
  EXPECT_THAT(ErrorOf("vgg16_transfer", FileOf({})),
              HasSubstr("none of the file's 0 tensors"));
}

TEST(InitialWeightsTest, OneParameterUnderTwoNames) {
  EXPECT_THAT(
      ErrorOf("vgg16_transfer", FileOf({{"conv1.bias", at::ones({64})},
                                        {"features.0.bias", at::ones({64})}})),
      HasSubstr("features.0.bias and conv1.bias are the same"));
}

TEST(InitialWeightsTest, NoSafetensorsFile) {
  EXPECT_THAT(ErrorOf("vgg16_transfer", "PK\x03\x04 a pickle in a zip"),
              HasSubstr("safetensors: header length"));
  std::string cut = FileOf(TorchvisionVgg16());
  cut.resize(cut.size() - 1);
  EXPECT_THAT(ErrorOf("vgg16_transfer", cut), HasSubstr("safetensors: "));
}

}  // namespace
}  // namespace adv
