#include "engine/nn/batch_behaviour.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "engine/nn/golden.h"

namespace adv {
namespace {

// Images of the largest call. Smaller calls are compared with parts of it.
constexpr int64_t kProbes = 16;

struct Results {
  at::Tensor logits;    // [N, classes]
  at::Tensor gradient;  // [N, values]; undefined without gradients
};

// Copies of the results on the CPU. Gradients are flattened, so that Difference
// can treat them as it treats logits.
absl::StatusOr<Results> Compute(const Network& network,
                                const at::Tensor& images) {
  if (network.traits().access != Access::kGradients) {
    const absl::StatusOr<at::Tensor> logits = network.Logits(images);
    if (!logits.ok()) return logits.status();
    return Results{logits->cpu(), {}};
  }
  // The loss is that of class 0 for each image, so that nothing but the image
  // decides its gradient.
  const absl::StatusOr<LogitsAndGradient> found =
      network.LossGradient(images, at::zeros({images.size(0)}, at::kLong));
  if (!found.ok()) return found.status();
  return Results{found->logits.cpu(), found->gradient.flatten(1).cpu()};
}

// The largest difference of two rows [N, values], each relative to the largest
// absolute value in either row. NaN, as of a network that overflows, counts as
// infinitely far from anything.
double Difference(const at::Tensor& a, const at::Tensor& b) {
  if (!a.defined()) return 0;
  const at::Tensor apart = (a - b).abs().amax(1).to(at::kDouble);
  const at::Tensor size = at::maximum(a.abs().amax(1), b.abs().amax(1));
  // Equal rows of zeros give 0 / 0, so equal rows are set to 0 first. The
  // second HUGE_VAL keeps infinity, which nan_to_num would otherwise make
  // finite.
  return apart.div(size.to(at::kDouble))
      .masked_fill(apart.eq(0), 0)
      .nan_to_num(HUGE_VAL, HUGE_VAL)
      .max()
      .item<double>();
}

double Difference(const Results& a, const Results& b) {
  return std::max(Difference(a.logits, b.logits),
                  Difference(a.gradient, b.gradient));
}

Results Rows(const Results& results, const at::Tensor& rows) {
  return {results.logits.index_select(0, rows),
          results.gradient.defined() ? results.gradient.index_select(0, rows)
                                     : results.gradient};
}

}  // namespace

absl::StatusOr<BatchBehaviour> MeasureBatchBehaviour(const Network& network) {
  const at::Tensor images = GoldenInputs(kProbes, network.traits().image_shape);
  const absl::StatusOr<Results> whole = Compute(network, images);
  if (!whole.ok()) return whole.status();
  // The same call once more: any difference comes from random numbers or state.
  const absl::StatusOr<Results> again = Compute(network, images);
  if (!again.ok()) return again.status();
  BatchBehaviour behaviour;
  behaviour.between_runs = Difference(*whole, *again);
  // Odd and even sizes, one image alone, and all but one: libraries choose
  // other code by the size of a batch.
  for (const int64_t size : {1, 2, 3, 7, 8, 15}) {
    for (const int64_t first : {int64_t{0}, kProbes - size}) {
      // The rows are in reverse order, so that slots and neighbours differ,
      // too.
      const at::Tensor rows =
          at::arange(first, first + size, at::kLong).flip(0);
      const absl::StatusOr<Results> some =
          Compute(network, images.index_select(0, rows));
      if (!some.ok()) return some.status();
      behaviour.between_batches = std::max(
          behaviour.between_batches, Difference(Rows(*whole, rows), *some));
    }
  }
  return behaviour;
}

}  // namespace adv
