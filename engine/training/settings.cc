#include "engine/training/settings.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <cmath>
#include <string>

namespace adv {
namespace {

// Collects all faults, so that a caller sees them at once. The message names
// each field with its value and its range.
class Violations {
 public:
  template <typename T>
  void Require(bool ok, const char* field, T value, const char* range) {
    if (!ok) {
      list_.push_back(absl::StrCat(field, " is ", value, ", must be ", range));
    }
  }

  absl::Status ToStatus() const {
    if (list_.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat("training settings: ", absl::StrJoin(list_, "; ")));
  }

 private:
  std::vector<std::string> list_;
};

// Comparisons with NaN are false, so NaN is never in range.
bool IsPositive(double value) { return std::isfinite(value) && value > 0; }
bool IsFraction(double value) { return value >= 0 && value < 1; }

void Require(const AdversarialTraining& adversarial, Violations* v) {
  using Method = AdversarialTraining::Method;
  if (adversarial.method == Method::kNone) return;
  v->Require(IsPositive(adversarial.epsilon) && adversarial.epsilon <= 1,
             "adversarial.epsilon", adversarial.epsilon,
             "above 0 and at most 1");
  v->Require(IsPositive(adversarial.step_size) && adversarial.step_size <= 2,
             "adversarial.step_size", adversarial.step_size,
             "above 0 and at most 2");
  const bool fgsm = adversarial.method == Method::kFgsm;
  // FGSM is a single step by definition; more would be PGD.
  v->Require(adversarial.steps >= 1 && adversarial.steps <= (fgsm ? 1 : 1000),
             "adversarial.steps", adversarial.steps,
             fgsm ? "1 for FGSM" : "1 to 1000");
  v->Require(IsFraction(adversarial.clean_weight), "adversarial.clean_weight",
             adversarial.clean_weight, "in [0, 1)");
}

}  // namespace

AdversarialTraining AdversarialTraining::Default(Method method) {
  AdversarialTraining adversarial;
  adversarial.method = method;
  if (method == Method::kNone) return adversarial;
  adversarial.epsilon = 8.0 / 255;
  // From a random point, a step of epsilon itself often ends short of the
  // surface of the ball.
  if (method == Method::kFgsm) {
    adversarial.steps = 1;
    adversarial.step_size = 1.25 * adversarial.epsilon;
    adversarial.clean_weight = 0.5;
  } else {
    adversarial.steps = 10;
    adversarial.step_size = 2.0 / 255;
  }
  return adversarial;
}

TrainingSettings TrainingSettings::Quick() {
  TrainingSettings settings;
  settings.batch_size = 64;
  settings.max_epochs = 14;
  settings.learning_rate = 5e-4;
  settings.decay_per_update = 0;
  settings.patience = 0;
  settings.horizontal_flips = true;
  settings.learning_rate_drops = {{0.6, 0.3}, {0.85, 0.1}};
  return settings;
}

absl::Status TrainingSettings::Validate() const {
  Violations v;
  v.Require(batch_size >= 1 && batch_size <= 65536, "batch_size", batch_size,
            "1 to 65536");
  v.Require(max_epochs >= 1 && max_epochs <= 100000, "max_epochs", max_epochs,
            "1 to 100000");
  v.Require(IsPositive(learning_rate), "learning_rate", learning_rate,
            "above 0");
  v.Require(std::isfinite(decay_per_update) && decay_per_update >= 0,
            "decay_per_update", decay_per_update, "at least 0");
  v.Require(IsFraction(rho), "rho", rho, "in [0, 1)");
  v.Require(IsPositive(optimizer_epsilon), "optimizer_epsilon",
            optimizer_epsilon, "above 0");
  v.Require(IsFraction(validation_fraction), "validation_fraction",
            validation_fraction, "in [0, 1)");
  v.Require(patience >= 0, "patience", patience,
            "at least 0 (0 never stops early)");
  // Without validation images there is no loss to wait for.
  v.Require(patience <= 0 || validation_fraction > 0, "patience", patience,
            "0 where validation_fraction is 0");
  v.Require(std::isfinite(min_delta) && min_delta >= 0, "min_delta", min_delta,
            "at least 0");
  double previous = 0;
  for (const LearningRateDrop& drop : learning_rate_drops) {
    v.Require(drop.after_fraction > previous && drop.after_fraction < 1,
              "learning_rate_drops.after_fraction", drop.after_fraction,
              "in (0, 1) and above the one before it");
    v.Require(IsPositive(drop.factor), "learning_rate_drops.factor",
              drop.factor, "above 0");
    previous = drop.after_fraction;
  }
  v.Require(IsPositive(max_loss), "max_loss", max_loss, "above 0");
  Require(adversarial, &v);
  return v.ToStatus();
}

}  // namespace adv
