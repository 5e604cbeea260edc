#include "tests/bench/plain_attacks.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <vector>

namespace adv {
namespace {

at::Tensor Clip(const at::Tensor& x, const at::Tensor& images, double epsilon) {
  return at::min(at::max(x, images - epsilon), images + epsilon).clamp(0, 1);
}

at::Tensor Fools(const at::Tensor& logits, const at::Tensor& labels) {
  return logits.argmax(1).ne(labels);
}

at::Tensor Losses(const at::Tensor& logits, const at::Tensor& labels) {
  return at::cross_entropy_loss(logits, labels, /*weight=*/{},
                                at::Reduction::None);
}

at::Tensor PerImage(const at::Tensor& values) {
  return values.view({-1, 1, 1, 1});
}

// Published as L-inf APGD; each member has one entry or image for each image.
struct Apgd {
  at::Tensor x, gradient, loss;
  at::Tensor best_x, best_gradient, best_loss;
  at::Tensor step, reduced, loss_at_check;
  std::vector<at::Tensor> losses;

  // Those whose step is to be halved, after `since` steps.
  at::Tensor Stalled(int64_t since) const {
    at::Tensor rises = at::zeros_like(best_loss);
    const auto last = static_cast<int64_t>(losses.size()) - 1;
    for (int64_t i = 0; i < since; ++i) {
      rises += losses[last - i].gt(losses[last - i - 1]).to(at::kFloat);
    }
    const at::Tensor oscillates = rises.lt(0.75 * static_cast<double>(since));
    return oscillates.logical_or(
        reduced.logical_not().logical_and(loss_at_check.ge(best_loss)));
  }

  void Check(int64_t since) {
    const at::Tensor stalled = Stalled(since);
    reduced = stalled;
    loss_at_check = best_loss.clone();
    step = at::where(stalled, step / 2, step);
    x = at::where(PerImage(stalled), best_x, x);
    gradient = at::where(PerImage(stalled), best_gradient, gradient);
  }
};

}  // namespace

PlainOutcome PlainPgd(const PlainNetwork& network, const at::Tensor& images,
                      const at::Tensor& labels, const PlainWalk& walk) {
  PlainOutcome outcome;
  at::Tensor x = walk.start.defined() ? walk.start : images;
  for (int64_t n = 0; n < walk.steps; ++n) {
    const auto [logits, gradient] = network.Gradient(x, labels);
    if (walk.any_iterate) {
      const at::Tensor fooled = Fools(logits, labels);
      outcome.fooled = n == 0 ? fooled : outcome.fooled.logical_or(fooled);
    }
    x = Clip(x + walk.step_size * gradient.sign(), images, walk.epsilon);
  }
  const at::Tensor last = Fools(network.Logits(x), labels);
  outcome.fooled = walk.any_iterate ? outcome.fooled.logical_or(last) : last;
  outcome.gradients = walk.steps * images.size(0);
  outcome.forwards = images.size(0);
  return outcome;
}

PlainOutcome PlainApgd(const PlainNetwork& network, const at::Tensor& images,
                       const at::Tensor& labels, const PlainWalk& walk) {
  Apgd run;
  run.x = walk.start.defined() ? walk.start : images;
  auto [logits, gradient] = network.Gradient(run.x, labels);
  run.gradient = run.best_gradient = gradient;
  run.best_x = run.x;
  run.best_loss = run.loss_at_check = Losses(logits, labels);
  run.losses = {run.best_loss};
  run.step = at::full_like(run.best_loss, 2 * walk.epsilon);
  run.reduced = at::ones_like(labels, at::kBool);
  PlainOutcome outcome;
  outcome.fooled = Fools(logits, labels);
  at::Tensor before = run.x;
  int64_t interval = std::max<int64_t>(walk.steps * 22 / 100, 1);
  int64_t since = 0;
  for (int64_t n = 0; n < walk.steps; ++n) {
    const at::Tensor momentum = run.x - before;
    before = run.x;
    const double a = n > 0 ? 0.75 : 1;
    const at::Tensor ahead = Clip(
        run.x + PerImage(run.step) * run.gradient.sign(), images, walk.epsilon);
    run.x = Clip(run.x + a * (ahead - run.x) + (1 - a) * momentum, images,
                 walk.epsilon);
    const auto found = network.Gradient(run.x, labels);
    run.gradient = found.gradient;
    outcome.fooled = outcome.fooled.logical_or(Fools(found.logits, labels));
    run.loss = Losses(found.logits, labels);
    run.losses.push_back(run.loss);
    const at::Tensor better = run.loss.gt(run.best_loss);
    run.best_x = at::where(PerImage(better), run.x, run.best_x);
    run.best_gradient =
        at::where(PerImage(better), run.gradient, run.best_gradient);
    run.best_loss = at::where(better, run.loss, run.best_loss);
    if (++since == interval) {
      run.Check(since);
      since = 0;
      interval = std::max(interval - std::max<int64_t>(walk.steps * 3 / 100, 1),
                          std::max<int64_t>(walk.steps * 6 / 100, 1));
    }
  }
  outcome.gradients = (walk.steps + 1) * images.size(0);
  return outcome;
}

}  // namespace adv
