#include <gtest/gtest.h>

#include "engine/training/objective.h"
#include "tests/engine/training/tiny_training.h"

namespace adv {
namespace {

class AdversarialTrainerTest
    : public TrainerTest,
      public testing::WithParamInterface<AdversarialTraining::Method> {
 protected:
  TrainingSettings Settings() const {
    TrainingSettings settings = TinySettings();
    settings.adversarial = AdversarialTraining::Default(GetParam());
    return settings;
  }
};

TEST_P(AdversarialTrainerTest, ContinuesBitForBit) {
  const auto uninterrupted = Make(Settings());
  RunToTheEnd(uninterrupted.get());
  const auto killed = Make(Settings());
  ASSERT_TRUE(killed->RunEpoch(nullptr).ok());
  ASSERT_TRUE(absl::IsCancelled(
      killed->RunEpoch([](const EpochProgress&) { return false; }).status()));
  const auto resumed = Make(Settings());
  ASSERT_TRUE(resumed->Restore(*killed->Checkpoint()).ok());
  RunToTheEnd(resumed.get());
  ExpectSame(*uninterrupted, *resumed);
  EXPECT_FALSE(Make(TinySettings())->Restore(*killed->Checkpoint()).ok());
}

// Trained plainly, the tiny network is right on few of its adversarial
// examples; trained on them, on more.
TEST_P(AdversarialTrainerTest, GetsBetterAtItsExamples) {
  TrainingSettings settings = Settings();
  settings.max_epochs = 20;
  settings.adversarial.epsilon = 0.05;
  settings.adversarial.step_size = 0.05;
  const auto trainer = Make(settings, /*dropout=*/0);
  RunToTheEnd(trainer.get());
  const double trained = trainer->epochs().back().validation_accuracy;

  settings.adversarial = {};
  const auto plain = Make(settings, /*dropout=*/0);
  RunToTheEnd(plain.get());
  AdversarialTraining attack = AdversarialTraining::Default(GetParam());
  attack.epsilon = 0.05;
  attack.step_size = 0.05;
  TrainingBatch batch;
  batch.images = data_.Pixels(plain->split().validation);
  batch.labels = data_.Labels(plain->split().validation);
  batch.start = at::zeros_like(batch.images);
  const double attacked = Objective(TinyLayers(0), attack)
                              .Of(plain->BestParameters(), batch)
                              .correct.item<double>() /
                          static_cast<double>(plain->split().validation.size());
  EXPECT_GT(trained, attacked);
}

INSTANTIATE_TEST_SUITE_P(Methods, AdversarialTrainerTest,
                         testing::Values(AdversarialTraining::Method::kFgsm,
                                         AdversarialTraining::Method::kPgd));

}  // namespace
}  // namespace adv
