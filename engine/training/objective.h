#ifndef ADV_ENGINE_TRAINING_OBJECTIVE_H_
#define ADV_ENGINE_TRAINING_OBJECTIVE_H_

#include <ATen/core/Tensor.h>

#include <vector>

#include "engine/nn/safetensors.h"
#include "engine/nn/vgg.h"
#include "engine/training/settings.h"

namespace adv {

// The inputs of one evaluation of the objective.
struct TrainingBatch {
  at::Tensor images;  // [N, channels, height, width] in [0, 1]
  at::Tensor labels;  // [N] int64
  // The dropout layers' factors; none in validation.
  std::vector<at::Tensor> dropout;
  // Adversarial training: the places in the ball where examples start, in units
  // of epsilon and in the shape of the images. Undefined otherwise.
  at::Tensor start;
};

// The function of the parameters that training minimises: the mean
// cross-entropy of the images, of adversarial examples of them, or of both.
// Immutable.
class Objective {
 public:
  Objective(std::vector<Layer> layers, const AdversarialTraining& adversarial);

  struct Value {
    at::Tensor loss;     // scalar, with a graph if autograd is on
    at::Tensor correct;  // scalar int64: how many are classified right
  };

  // With adversarial training, `correct` counts the adversarial examples.
  Value Of(const StateDict& parameters, const TrainingBatch& batch) const;

  // The examples that Of trains on, in the ball and the box. The network makes
  // them without dropout, as it will be used.
  at::Tensor AdversarialExamples(const StateDict& parameters,
                                 const TrainingBatch& batch) const;

 private:
  std::vector<Layer> layers_;
  AdversarialTraining adversarial_;
};

}  // namespace adv

#endif  // ADV_ENGINE_TRAINING_OBJECTIVE_H_
