#include "engine/attacks/minimising.h"

#include <ATen/ATen.h>

#include <limits>
#include <utility>

#include "engine/attacks/ball.h"
#include "engine/attacks/pass.h"

namespace adv {
namespace {

at::Tensor AsPixels(const at::Tensor& chosen) {
  return chosen.view({-1, 1, 1, 1});
}

}  // namespace

at::Tensor SizesOf(const at::Tensor& perturbations, Norm norm) {
  const at::Tensor values = perturbations.flatten(1).to(at::kDouble);
  return norm == Norm::kLinf ? values.abs().amax(1)
                             : values.square().sum(1).sqrt();
}

absl::StatusOr<std::vector<AttackResult>> MinimisingAttack::Perturb(
    Pass& pass, const AttackBatch& batch, const RunOptions& options) const {
  absl::StatusOr<Nearest> nearest = FindNearest(pass, batch, options);
  if (!nearest.ok()) return nearest.status();
  if (options.eight_bit) {
    absl::Status status = MoveToLattice(pass, batch, *nearest);
    if (!status.ok()) return status;
  }
  const absl::StatusOr<at::Tensor> clean = pass.CleanLogits();
  if (!clean.ok()) return clean.status();

  const at::Tensor sizes = SizesOf(nearest->images - batch.images, options.norm)
                               .masked_fill(nearest->found.logical_not(),
                                            std::numeric_limits<double>::max());
  // On the lattice sizes are multiples of 1/255 but for rounding.
  const double slack = options.eight_bit ? 1e-6 : 0;
  const at::Tensor all =
      at::arange(batch.labels.size(0), batch.labels.options());
  std::vector<AttackResult> results;
  for (double epsilon : options.epsilons) {
    const at::Tensor inside = sizes.le(epsilon + slack);
    AttackResult result;
    result.images = at::where(AsPixels(inside), nearest->images, batch.images);
    // Outside, only an original that fools already can be a success.
    result.iterations = nearest->iterations.masked_fill(
        inside.logical_not().logical_or_(pass.Fooled(*clean, all)), 0);
    if (!pass.transfer()) {
      result.logits = at::where(inside.unsqueeze(1), nearest->logits, *clean);
    } else {
      result.logits = clean->clone();
      const at::Tensor rows = inside.nonzero().flatten();
      if (rows.numel() > 0) {
        absl::StatusOr<at::Tensor> logits =
            pass.Logits(result.images.index_select(0, rows), rows);
        if (!logits.ok()) return logits.status();
        result.logits.index_copy_(0, rows, *logits);
      }
    }
    pass.ChargeTo(result);
    results.push_back(std::move(result));
  }
  return results;
}

absl::Status MinimisingAttack::MoveToLattice(Pass& pass,
                                             const AttackBatch& batch,
                                             Nearest& nearest) const {
  const at::Tensor free = nearest.images;
  nearest.images = batch.images.clone();
  at::Tensor rows = nearest.found.nonzero().flatten();
  nearest.found = at::zeros_like(nearest.found);
  for (double reach : {1.0, 1.02, 1.05, 1.1, 1.2, 1.4, 1.7, 2.0}) {
    if (rows.numel() == 0) break;
    const at::Tensor originals = batch.images.index_select(0, rows);
    const at::Tensor images = FromBytes(
        ToBytes(originals + (free.index_select(0, rows) - originals) * reach));
    const absl::StatusOr<at::Tensor> logits = pass.Scores(images, rows);
    if (!logits.ok()) return logits.status();
    const at::Tensor fooled = pass.Fooled(*logits, rows);
    const at::Tensor chosen = fooled.nonzero().flatten();
    const at::Tensor done = rows.index_select(0, chosen);
    nearest.images.index_copy_(0, done, images.index_select(0, chosen));
    nearest.logits.index_copy_(0, done, logits->index_select(0, chosen));
    nearest.found.index_fill_(0, done, true);
    rows = rows.index_select(0, fooled.logical_not().nonzero().flatten());
  }
  return absl::OkStatus();
}

}  // namespace adv
