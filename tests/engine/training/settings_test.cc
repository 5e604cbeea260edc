#include "engine/training/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>

namespace adv {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using Method = AdversarialTraining::Method;

TEST(SettingsTest, DefaultsAreTheProtocolOfTheThesis) {
  const TrainingSettings settings;
  EXPECT_TRUE(settings.Validate().ok());
  EXPECT_EQ(settings.batch_size, 32);
  EXPECT_EQ(settings.max_epochs, 200);
  EXPECT_EQ(settings.learning_rate, 1e-4);
  EXPECT_EQ(settings.decay_per_update, 1e-5);
  EXPECT_EQ(settings.rho, 0.9);
  EXPECT_EQ(settings.optimizer_epsilon, 1e-8);
  EXPECT_EQ(settings.validation_fraction, 0.1);
  EXPECT_EQ(settings.patience, 10);
  EXPECT_EQ(settings.min_delta, 1e-4);
  EXPECT_FALSE(settings.horizontal_flips);
  EXPECT_TRUE(settings.learning_rate_drops.empty());
}

TEST(SettingsTest, QuickIsValid) {
  EXPECT_TRUE(TrainingSettings::Quick().Validate().ok());
}

TEST(SettingsTest, AdversarialDefaultsAreThoseOfThePapers) {
  TrainingSettings settings;
  EXPECT_EQ(settings.adversarial.method, Method::kNone);
  settings.adversarial = AdversarialTraining::Default(Method::kFgsm);
  EXPECT_TRUE(settings.Validate().ok());
  EXPECT_EQ(settings.adversarial.epsilon, 8.0 / 255);
  EXPECT_EQ(settings.adversarial.step_size, 10.0 / 255);
  EXPECT_EQ(settings.adversarial.clean_weight, 0.5);
  settings.adversarial = AdversarialTraining::Default(Method::kPgd);
  EXPECT_TRUE(settings.Validate().ok());
  EXPECT_EQ(settings.adversarial.steps, 10);
  EXPECT_EQ(settings.adversarial.step_size, 2.0 / 255);
  EXPECT_EQ(settings.adversarial.clean_weight, 0);
}

struct BadCase {
  std::string message;
  std::function<void(TrainingSettings*)> spoil;
};

class BadSettingsTest : public testing::TestWithParam<BadCase> {};

TEST_P(BadSettingsTest, NamesFieldValueAndRange) {
  TrainingSettings settings;
  GetParam().spoil(&settings);
  const absl::Status status = settings.Validate();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    EachField, BadSettingsTest,
    testing::Values(
        BadCase{"batch_size is 0, must be 1 to 65536",
                [](auto* s) { s->batch_size = 0; }},
        BadCase{"max_epochs is -1, must be 1 to 100000",
                [](auto* s) { s->max_epochs = -1; }},
        BadCase{"learning_rate is 0, must be above 0",
                [](auto* s) { s->learning_rate = 0; }},
        BadCase{"learning_rate is nan, must be above 0",
                [](auto* s) { s->learning_rate = std::nan(""); }},
        BadCase{"decay_per_update is -1, must be at least 0",
                [](auto* s) { s->decay_per_update = -1; }},
        BadCase{"rho is 1, must be in [0, 1)", [](auto* s) { s->rho = 1; }},
        BadCase{"optimizer_epsilon is 0, must be above 0",
                [](auto* s) { s->optimizer_epsilon = 0; }},
        BadCase{"validation_fraction is 1, must be in [0, 1)",
                [](auto* s) { s->validation_fraction = 1; }},
        BadCase{"patience is -1, must be at least 0",
                [](auto* s) { s->patience = -1; }},
        BadCase{"patience is 10, must be 0 where validation_fraction is 0",
                [](auto* s) { s->validation_fraction = 0; }},
        BadCase{"max_loss is 0, must be above 0",
                [](auto* s) { s->max_loss = 0; }},
        BadCase{"adversarial.epsilon is 2, must be above 0 and at most 1",
                [](auto* s) {
                  s->adversarial = AdversarialTraining::Default(Method::kPgd);
                  s->adversarial.epsilon = 2;
                }},
        BadCase{"adversarial.step_size is 0, must be above 0 and at most 2",
                [](auto* s) {
                  s->adversarial = AdversarialTraining::Default(Method::kPgd);
                  s->adversarial.step_size = 0;
                }},
        BadCase{"adversarial.steps is 2, must be 1 for FGSM",
                [](auto* s) {
                  s->adversarial = AdversarialTraining::Default(Method::kFgsm);
                  s->adversarial.steps = 2;
                }},
        BadCase{"adversarial.clean_weight is 1, must be in [0, 1)",
                [](auto* s) {
                  s->adversarial = AdversarialTraining::Default(Method::kPgd);
                  s->adversarial.clean_weight = 1;
                }},
        BadCase{"min_delta is -1, must be at least 0",
                [](auto* s) { s->min_delta = -1; }},
        BadCase{"learning_rate_drops.after_fraction is 1, must be in (0, 1)",
                [](auto* s) {
                  s->learning_rate_drops = {{1, 0.5}};
                }},
        BadCase{"learning_rate_drops.after_fraction is 0.2, must be in (0, 1) "
                "and above the one before it",
                [](auto* s) {
                  s->learning_rate_drops = {{0.5, 0.5}, {0.2, 0.1}};
                }},
        BadCase{"learning_rate_drops.factor is 0, must be above 0",
                [](auto* s) {
                  s->learning_rate_drops = {{0.5, 0}};
                }}));

TEST(SettingsTest, TellsAllViolationsAtOnce) {
  TrainingSettings settings;
  settings.batch_size = 0;
  settings.rho = 2;
  EXPECT_THAT(std::string(settings.Validate().message()),
              AllOf(HasSubstr("batch_size is 0"), HasSubstr("rho is 2")));
}

}  // namespace
}  // namespace adv
