#include "model_store/trainer/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

namespace adv {
namespace {

using ::testing::ElementsAre;

struct Parsed {
  std::optional<TrainerOptions> options;
  int exit_code = -1;
};

Parsed Parse(std::vector<const char*> flags) {
  std::vector<const char*> argv = {"advtrain", "--models=balanced",
                                   "--data=data", "--store=store"};
  argv.insert(argv.end(), flags.begin(), flags.end());
  Parsed parsed;
  parsed.options = ParseTrainerOptions(static_cast<int>(argv.size()),
                                       argv.data(), &parsed.exit_code);
  return parsed;
}

TEST(OptionsTest, DefaultsAreTheProtocolOfTheThesis) {
  const Parsed parsed = Parse({});
  ASSERT_TRUE(parsed.options.has_value());
  EXPECT_EQ(parsed.options->settings.learning_rate, 1e-4);
  EXPECT_EQ(parsed.options->settings.batch_size, 32);
  EXPECT_EQ(parsed.options->settings.patience, 10);
  EXPECT_FALSE(parsed.options->settings.horizontal_flips);
  EXPECT_EQ(parsed.options->precision, WeightPrecision::kFloat16);
  EXPECT_EQ(parsed.options->architecture, "table51");
  EXPECT_EQ(parsed.options->checkpoint_dir, "store/.training");
  EXPECT_FALSE(parsed.options->force);
  EXPECT_EQ(parsed.options->init_from, "");
}

TEST(OptionsTest, QuickAloneIsTheQuickProtocol) {
  const Parsed parsed = Parse({"--quick"});
  ASSERT_TRUE(parsed.options.has_value());
  const TrainingSettings& settings = parsed.options->settings;
  const TrainingSettings quick = TrainingSettings::Quick();
  EXPECT_EQ(settings.seed, quick.seed);
  EXPECT_EQ(settings.batch_size, 64);
  EXPECT_EQ(settings.max_epochs, 14);
  EXPECT_EQ(settings.learning_rate, 5e-4);
  EXPECT_EQ(settings.decay_per_update, 0);
  EXPECT_EQ(settings.patience, 0);
  EXPECT_EQ(settings.min_delta, quick.min_delta);
  EXPECT_EQ(settings.validation_fraction, quick.validation_fraction);
  EXPECT_TRUE(settings.horizontal_flips);
  EXPECT_EQ(settings.learning_rate_drops.size(), 2u);
}

TEST(OptionsTest, FlagsOverrideQuickWhateverTheOrder) {
  const Parsed parsed =
      Parse({"--epochs=3", "--no-flips", "--quick", "--lr-drops=none"});
  ASSERT_TRUE(parsed.options.has_value());
  const TrainingSettings& settings = parsed.options->settings;
  EXPECT_EQ(settings.learning_rate, 5e-4);
  EXPECT_EQ(settings.batch_size, 64);
  EXPECT_EQ(settings.max_epochs, 3);
  EXPECT_FALSE(settings.horizontal_flips);
  EXPECT_TRUE(settings.learning_rate_drops.empty());
}

TEST(OptionsTest, ReadsLists) {
  const Parsed parsed =
      Parse({"--models=no-cat,only-dog", "--lr-drops=0.6:0.3,0.85:0.1"});
  ASSERT_TRUE(parsed.options.has_value());
  EXPECT_THAT(parsed.options->models,
              ElementsAre("balanced", "no-cat", "only-dog"));
  const std::vector<LearningRateDrop>& drops =
      parsed.options->settings.learning_rate_drops;
  ASSERT_EQ(drops.size(), 2u);
  EXPECT_EQ(drops[0].after_fraction, 0.6);
  EXPECT_EQ(drops[1].factor, 0.1);
}

TEST(OptionsTest, ReadsSettings) {
  const Parsed parsed =
      Parse({"--seed=7", "--decay=0.5", "--patience=4", "--min-delta=0.25",
             "--validation-fraction=0.2", "--precision=float32", "--flips",
             "--checkpoint-dir=elsewhere", "--init-from=a.safetensors"});
  ASSERT_TRUE(parsed.options.has_value());
  const TrainingSettings& settings = parsed.options->settings;
  EXPECT_EQ(settings.seed, 7u);
  EXPECT_EQ(settings.decay_per_update, 0.5);
  EXPECT_EQ(settings.patience, 4);
  EXPECT_EQ(settings.min_delta, 0.25);
  EXPECT_EQ(settings.validation_fraction, 0.2);
  EXPECT_TRUE(settings.horizontal_flips);
  EXPECT_EQ(parsed.options->precision, WeightPrecision::kFloat32);
  EXPECT_EQ(parsed.options->checkpoint_dir, "elsewhere");
  EXPECT_EQ(parsed.options->init_from, "a.safetensors");
}

TEST(OptionsTest, ReadsWhereEpochsAreShuffled) {
  EXPECT_EQ(Parse({}).options->shuffle_on_device, std::nullopt);
  EXPECT_EQ(Parse({"--shuffle-on-device"}).options->shuffle_on_device, true);
  EXPECT_EQ(Parse({"--shuffle-on-host"}).options->shuffle_on_device, false);
}

TEST(OptionsTest, ReadsHowWorkIsShared) {
  const Parsed parsed = Parse({"--parallel=3", "--lease-seconds=5", "--no-wait",
                               "--metrics-listen=[::1]:7"});
  ASSERT_TRUE(parsed.options.has_value());
  EXPECT_EQ(parsed.options->parallel, 3);
  EXPECT_EQ(parsed.options->lease_seconds, 5);
  EXPECT_TRUE(parsed.options->no_wait);
  EXPECT_EQ(parsed.options->metrics_listen, "[::1]:7");
  EXPECT_EQ(Parse({}).options->metrics_listen, "");
  EXPECT_EQ(Parse({}).options->lease_seconds, 60);
  EXPECT_EQ(Parse({"--metrics-port=9"}).options->metrics_listen, "127.0.0.1:9");
  EXPECT_EQ(Parse({"--metrics-listen=off"}).options->metrics_listen, "");
}

TEST(OptionsTest, TheEnvironmentGivesWhatTheCommandLineDoesNot) {
  setenv("ADV_EPOCHS", "3", 1);
  setenv("ADV_FLIPS", "true", 1);
  setenv("ADV_ADVERSARIAL", "pgd", 1);
  const Parsed parsed = Parse({"--adversarial-steps=7"});
  for (const char* name : {"ADV_EPOCHS", "ADV_FLIPS", "ADV_ADVERSARIAL"}) {
    unsetenv(name);
  }
  ASSERT_TRUE(parsed.options.has_value());
  EXPECT_EQ(parsed.options->settings.max_epochs, 3);
  EXPECT_TRUE(parsed.options->settings.horizontal_flips);
  EXPECT_EQ(parsed.options->settings.adversarial.steps, 7);
}

TEST(OptionsTest, AdversarialTrainingHasDefaultsOfItsMethod) {
  const Parsed fgsm =
      Parse({"--adversarial=fgsm", "--adversarial-epsilon=4/255"});
  ASSERT_TRUE(fgsm.options.has_value());
  AdversarialTraining training = fgsm.options->settings.adversarial;
  EXPECT_EQ(training.method, AdversarialTraining::Method::kFgsm);
  EXPECT_DOUBLE_EQ(training.epsilon, 4. / 255);
  EXPECT_DOUBLE_EQ(training.step_size, 5. / 255);
  EXPECT_EQ(training.clean_weight, 0.5);
  EXPECT_TRUE(fgsm.options->settings.Validate().ok());

  const Parsed pgd = Parse({"--adversarial=pgd", "--adversarial-steps=7",
                            "--clean-weight=0.25", "--max-loss=9",
                            "--adversarial-step-size=0.004"});
  ASSERT_TRUE(pgd.options.has_value());
  training = pgd.options->settings.adversarial;
  EXPECT_DOUBLE_EQ(training.epsilon, 8. / 255);
  EXPECT_EQ(training.step_size, 0.004);
  EXPECT_EQ(training.steps, 7);
  EXPECT_EQ(training.clean_weight, 0.25);
  EXPECT_EQ(pgd.options->settings.max_loss, 9);
  EXPECT_TRUE(pgd.options->settings.Validate().ok());
}

TEST(OptionsTest, NamesSayInWhatAModelDiffersFromTheThesis) {
  const auto suffix = [](std::vector<const char*> flags) {
    return NameSuffix(*Parse(std::move(flags)).options);
  };
  EXPECT_EQ(suffix({}), "");
  EXPECT_EQ(suffix({"--adversarial=pgd"}), "-pgd");
  EXPECT_EQ(suffix({"--architecture=relu_each", "--adversarial=fgsm"}),
            "-relu-each-fgsm");
  EXPECT_EQ(suffix({"--architecture=vgg16_transfer"}), "-vgg16-transfer");
  EXPECT_EQ(suffix({"--adversarial=pgd", "--name-suffix=mine"}), "-mine");
  EXPECT_EQ(suffix({"--adversarial=pgd", "--name-suffix=none"}), "");
}

TEST(OptionsTest, HelpSucceedsAndBadUsageFails) {
  EXPECT_EQ(Parse({"--help"}).exit_code, 0);
  EXPECT_EQ(Parse({"--version"}).exit_code, 0);
  for (const char* bad :
       {"--nonsense", "--epochs=many", "--threads=0", "--train-images=0",
        "--lr-drops=0.6", "--parallel=0", "--lease-seconds=0",
        "--metrics-port=70000", "--adversarial=cw", "--adversarial-steps=3",
        "--clean-weight=.5", "--lr-drops=a:b", "--precision=float8",
        "--checkpoint-seconds=-1"}) {
    const Parsed parsed = Parse({bad});
    EXPECT_FALSE(parsed.options.has_value()) << bad;
    EXPECT_EQ(parsed.exit_code, 2) << bad;
  }
}

TEST(OptionsTest, SizesArePixelsOrGreyLevels) {
  for (const char* bad : {"8", "0", "-1/255", "1/256", "x", "nan", "300/255"}) {
    const std::string flag = std::string("--adversarial-epsilon=") + bad;
    ::testing::internal::CaptureStderr();
    EXPECT_EQ(Parse({"--adversarial=pgd", flag.c_str()}).exit_code, 2) << bad;
    EXPECT_THAT(::testing::internal::GetCapturedStderr(),
                ::testing::HasSubstr("grey levels as 8/255"));
  }
}

TEST(OptionsTest, AnEmptyValueIsNeverADefault) {
  for (const char* flag :
       {"--seed", "--epochs", "--patience", "--max-loss", "--name-suffix",
        "--dataset-name", "--checkpoint-dir", "--init-from", "--also-test",
        "--metrics-listen", "--lr-drops", "--device"}) {
    const Parsed word = Parse({flag, ""});
    EXPECT_FALSE(word.options) << flag;
    EXPECT_EQ(word.exit_code, 2) << flag;
    const std::string sign = std::string(flag) + "=";
    const Parsed next = Parse({sign.c_str(), "--force"});
    EXPECT_FALSE(next.options) << flag;
    EXPECT_EQ(next.exit_code, 2) << flag;
  }
}

TEST(OptionsTest, MembersOfListsAreNotEmptyAndBlanksDoNotMatter) {
  const Parsed parsed =
      Parse({"--models= no-cat , balanced", "--lr-drops=0.6:0.3 , 0.85:0.1"});
  ASSERT_TRUE(parsed.options.has_value());
  EXPECT_THAT(parsed.options->models, ElementsAre("balanced", "no-cat"));
  EXPECT_EQ(parsed.options->settings.learning_rate_drops.size(), 2u);
  for (const char* wrong : {"--models=a,,b", "--models=a,",
                            "--models= ", "--lr-drops=0.6:0.3,,0.85:0.1"}) {
    EXPECT_FALSE(Parse({wrong}).options) << wrong;
  }
}

}  // namespace
}  // namespace adv
