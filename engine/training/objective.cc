#include "engine/training/objective.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <utility>

#include "engine/attacks/ball.h"
#include "engine/nn/loss.h"

namespace adv {
namespace {

// The mean over the images. Logits [N, classes], labels [N].
at::Tensor CrossEntropy(const at::Tensor& logits, const at::Tensor& labels) {
  return at::nll_loss(at::log_softmax(logits, 1), labels);
}

// A scalar on the device: reading it back here would make an accelerator wait.
at::Tensor CountCorrect(const at::Tensor& logits, const at::Tensor& labels) {
  return logits.detach().argmax(1).eq(labels).sum();
}

}  // namespace

Objective::Objective(std::vector<Layer> layers,
                     const AdversarialTraining& adversarial)
    : layers_(std::move(layers)), adversarial_(adversarial) {}

Objective::Value Objective::Of(const StateDict& parameters,
                               const TrainingBatch& batch) const {
  const auto logits_of = [&](const at::Tensor& images) {
    return VggForward(layers_, parameters, images, batch.dropout);
  };
  if (adversarial_.method == AdversarialTraining::Method::kNone) {
    const at::Tensor logits = logits_of(batch.images);
    return {CrossEntropy(logits, batch.labels),
            CountCorrect(logits, batch.labels)};
  }
  const at::Tensor logits = logits_of(AdversarialExamples(parameters, batch));
  at::Tensor loss = CrossEntropy(logits, batch.labels);
  // The mixed loss of Goodfellow et al. Both passes drop the same values.
  // Without a clean weight, the pass over the clean images is saved.
  const double clean_weight = adversarial_.clean_weight;
  if (clean_weight > 0) {
    loss = clean_weight * CrossEntropy(logits_of(batch.images), batch.labels) +
           (1 - clean_weight) * loss;
  }
  return {loss, CountCorrect(logits, batch.labels)};
}

at::Tensor Objective::AdversarialExamples(const StateDict& parameters,
                                          const TrainingBatch& batch) const {
  const Ball ball(batch.images, ThreatModel{Norm::kLinf, adversarial_.epsilon},
                  {});
  at::Tensor examples = batch.images + adversarial_.epsilon * batch.start;
  ball.Project(examples);
  for (int64_t step = 0; step < adversarial_.steps; ++step) {
    at::Tensor gradient;
    {
      // Validation runs without gradients, but examples need them there, too.
      const at::AutoGradMode enable_grad(true);
      // A leaf of its own for each step, so that the graph ends at these
      // pixels.
      const at::Tensor input = examples.detach().requires_grad_();
      const at::Tensor logits = VggForward(layers_, parameters, input);
      gradient = torch::autograd::grad(
          {logits}, {input},
          // The attacks' loss L, whose gradient does not vanish where the
          // network is sure of itself.
          {AttackLossGradient(logits.detach(), batch.labels)})[0];
    }
    const at::NoGradGuard no_grad;
    // L-inf's steepest ascent: every pixel moves by the whole step.
    examples.add_(gradient.sign_(), adversarial_.step_size);
    ball.Project(examples);
  }
  return examples;
}

}  // namespace adv
