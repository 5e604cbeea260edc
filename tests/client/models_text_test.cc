// `models show` for people and programs.
#include <limits>
#include <string>

#include "absl/strings/str_replace.h"
#include "client/printers/models.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/fake_server.h"
#include "tests/client/golden.h"

namespace adv {
namespace {

using testing::CannedModel;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::WidestLine;

std::string Text(const v1::Model& model) {
  return ModelText(model, Style(false));
}

TEST(ModelTextTest, LooksAsItShould) {
  EXPECT_EQ(Text(CannedModel("no-cat")), testing::Golden("models_show.txt"));
}

TEST(ModelTextTest, FitsIn80Columns) {
  v1::Model model = CannedModel("no-cat");
  auto* training = model.mutable_manifest()->mutable_training();
  while (training->epochs_size() < 200) {
    *training->add_epochs() = training->epochs(0);
  }
  training->set_best_epoch(190);
  EXPECT_LE(WidestLine(Text(model)), 80u);
}

TEST(ModelTextTest, MarksTheBestEpochUnderItsColumn) {
  v1::Model model = CannedModel("balanced");
  model.mutable_manifest()->mutable_training()->set_best_epoch(1);
  EXPECT_THAT(Text(model), HasSubstr("\n  best: 1      ▲\n"));
  model.mutable_manifest()->mutable_training()->set_best_epoch(12);
  EXPECT_THAT(Text(model), HasSubstr("\n  best: 12                ▲\n"));
}

TEST(ModelTextTest, TellsWhatTrainingStartedFrom) {
  v1::Model model = CannedModel("balanced");
  EXPECT_THAT(Text(model), Not(HasSubstr("starts from")));
  auto* weights =
      model.mutable_manifest()->mutable_training()->mutable_initial_weights();
  weights->set_file("vgg16.safetensors");
  weights->set_sha256(std::string(64, 'a'));
  weights->add_loaded_keys("features.0.bias");
  weights->add_loaded_keys("features.0.weight");
  EXPECT_THAT(Text(model),
              HasSubstr("starts from  vgg16.safetensors, sha256 aaaaaaaaaaaa: "
                        "features.0.bias,\n               features.0.weight"));
}

TEST(ModelTextTest, TellsOfAdversarialTraining) {
  v1::Model model = CannedModel("balanced");
  EXPECT_THAT(Text(model), Not(HasSubstr("examples")));
  auto* adversarial = model.mutable_manifest()
                          ->mutable_training()
                          ->mutable_settings()
                          ->mutable_adversarial();
  adversarial->set_method(v1::ADVERSARIAL_TRAINING_METHOD_FGSM);
  adversarial->set_epsilon(8.0 / 255);
  adversarial->set_step_size(10.0 / 255);
  adversarial->set_steps(1);
  adversarial->set_clean_weight(.5);
  const std::string text =
      absl::StrReplaceAll(Text(model), {{"\n", ""}, {"  ", ""}});
  EXPECT_THAT(text, HasSubstr("FGSM within 8/255"));
  EXPECT_THAT(text, HasSubstr("10/255"));
}

TEST(ModelTextTest, OnlyTorchScriptIsCode) {
  const auto text = [](const std::string& format) {
    v1::Model model = CannedModel("balanced");
    model.mutable_manifest()->set_format(format);
    return absl::StrReplaceAll(Text(model), {{"\n", ""}, {"  ", ""}});
  };
  EXPECT_THAT(text("torchscript"), HasSubstr("--allow-code-models"));
  EXPECT_THAT(text("onnx"), HasSubstr("format onnx"));
  EXPECT_THAT(text("onnx"), Not(HasSubstr("code")));
  EXPECT_THAT(text("remote"), HasSubstr("remote, behind an endpoint"));
  EXPECT_THAT(text("remote"), Not(HasSubstr("code")));
  EXPECT_THAT(text("vgg"), Not(HasSubstr("format")));
}

TEST(ModelTextTest, WhatIsNotRecordedIsLeftOut) {
  v1::Model model = CannedModel("no-cat");
  model.mutable_manifest()->clear_training();
  const std::string text = Text(model);
  EXPECT_THAT(text, Not(HasSubstr("▲")));
  EXPECT_THAT(text, Not(HasSubstr("settings")));
  EXPECT_THAT(text, Not(HasSubstr("sha256 \n")));
  EXPECT_THAT(text, Not(HasSubstr("nan")));
  EXPECT_THAT(text, HasSubstr("table51"));
  EXPECT_THAT(Text(v1::Model()), HasSubstr("@0"));
  EXPECT_EQ(EpochTable(v1::Model()).ToCsv().find('\n') + 1,
            EpochTable(v1::Model()).ToCsv().size());
}

TEST(ModelTextTest, ADivergedRunIsDrawn) {
  v1::Model model = CannedModel("balanced");
  auto* training = model.mutable_manifest()->mutable_training();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (auto& epoch : *training->mutable_epochs()) {
    epoch.set_validation_loss(nan);
  }
  training->mutable_epochs(3)->set_training_loss(nan);
  EXPECT_THAT(Text(model), HasSubstr("0.167  2.000"));
}

}  // namespace
}  // namespace adv
