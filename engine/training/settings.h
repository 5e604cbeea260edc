#ifndef ADV_ENGINE_TRAINING_SETTINGS_H_
#define ADV_ENGINE_TRAINING_SETTINGS_H_

#include <absl/status/status.h>

#include <cstdint>
#include <vector>

namespace adv {

// From `after_fraction` of all steps on, the learning rate is `factor` times
// its value at the start.
struct LearningRateDrop {
  double after_fraction;  // of the steps of max_epochs, in (0, 1)
  double factor;          // above 0
};

// Training on adversarial examples that are made anew in each step, from a
// uniform random point of the L-inf ball around each image:
//   kFgsm  Goodfellow et al. (1412.6572): one step, and the mixed loss
//          clean_weight J(x) + (1 - clean_weight) J(x'). The random start keeps
//          the network from learning to hide its gradient (Wong et al.,
//          2001.03994).
//   kPgd   Madry et al. (1706.06083): several steps; usually without the clean
//          images.
struct AdversarialTraining {
  enum class Method { kNone, kFgsm, kPgd };

  Method method = Method::kNone;
  double epsilon = 0;       // in pixels of [0, 1], above 0 to 1
  double step_size = 0;     // above 0 to 2
  int64_t steps = 0;        // 1 to 1,000; 1 for kFgsm
  double clean_weight = 0;  // in [0, 1)

  // epsilon 8/255; kFgsm steps 1.25 epsilon, clean weight .5; kPgd ten steps of
  // 2/255, no clean images.
  static AdversarialTraining Default(Method method);
};

// Everything that decides the outcome of a training run, besides the data and
// the network. The defaults are the thesis's protocol.
struct TrainingSettings {
  // The seed of the initial weights, the validation split, shuffling, flips and
  // dropout.
  uint64_t seed = 1;
  // Images per step, 1 to 65,536.
  int64_t batch_size = 32;
  // At most so many epochs, 1 to 100,000.
  int64_t max_epochs = 200;
  // RMSProp's step size before any decay, above 0.
  double learning_rate = 1e-4;
  // Keras's per-update decay: rate / (1 + decay * updates), from 0.
  double decay_per_update = 1e-5;
  // RMSProp's decay of the mean square, in [0, 1).
  double rho = 0.9;
  // Added to the root of the mean square, above 0.
  double optimizer_epsilon = 1e-8;
  // Share of each class's training images kept for validation, in [0, 1).
  // With 0 the last epoch's weights are the best ones.
  double validation_fraction = 0.1;
  // Epochs without improvement after which training stops; 0 never stops.
  int64_t patience = 10;
  // The least fall of the validation loss that counts as improvement, from 0.
  double min_delta = 1e-4;
  // Whether each image is mirrored with probability one half in each epoch.
  bool horizontal_flips = false;
  // The place where each epoch's order and flips are drawn: on the device,
  // which then waits for nothing, or on the host, which gives every device the
  // same ones.
  bool shuffle_on_device = false;
  // In rising order of after_fraction.
  std::vector<LearningRateDrop> learning_rate_drops;
  AdversarialTraining adversarial;
  // A mean training loss above it counts as divergence, above 0. Guessing among
  // ten classes costs 2.3.
  double max_loss = 100;

  // Reaches 80 % in 14 epochs, 25 minutes on two cores: rate 5e-4 without
  // decay, dropped to .3 and .1, batch 64, flips, no early stopping.
  static TrainingSettings Quick();

  // INVALID_ARGUMENT names every field that is out of range, with the range.
  absl::Status Validate() const;
};

}  // namespace adv

#endif  // ADV_ENGINE_TRAINING_SETTINGS_H_
