#include "engine/attacks/minimising.h"

#include <ATen/ATen.h>

#include <limits>
#include <utility>

#include "engine/attacks/attacked_model.h"
#include "engine/attacks/ball.h"
#include "engine/attacks/layout.h"

namespace adv {
namespace {

constexpr double kNotFound = std::numeric_limits<double>::infinity();

at::Tensor AllRows(const AttackBatch& batch) {
  return at::arange(batch.labels.size(0), batch.labels.options());
}

// A way to bring a perturbation to the lattice.
struct Rounding {
  double reach;  // the factor of the perturbation
  bool outward;  // to the next byte away from the original, not the nearest
};

// In the order in which they are tried, from near to far. Small L2
// perturbations are below half a byte at most pixels, where only rounding
// outward keeps their direction.
std::vector<Rounding> RoundingsOf(Norm norm) {
  if (norm == Norm::kLinf) {
    return {{1, false}, {1, true}, {1.2, true}, {1.5, true}, {2, true}};
  }
  return {{1, false},   {1.02, false}, {1.05, false},
          {1.1, false}, {1.2, false},  {1.4, false},
          {1.7, false}, {2, false},    {1, true}};
}

at::Tensor Round(const at::Tensor& originals, const at::Tensor& images,
                 const Rounding& rounding) {
  const at::Tensor moved = (images - originals) * rounding.reach;
  if (!rounding.outward) return FromBytes(ToBytes(originals + moved));
  // A value that lies on a byte, except for rounding, stays there.
  constexpr double kRounding = 1e-4;
  const at::Tensor change =
      moved.sign() * moved.abs().mul(255).sub(kRounding).ceil();
  return FromBytes((ToBytes(originals) + change).clamp(0, 255));
}

// The largest size that counts as within epsilon. On the lattice an L-inf size
// is a whole number of levels, except for rounding.
double LargestSize(double epsilon, Norm norm, bool eight_bit) {
  if (!eight_bit) return epsilon;
  constexpr double kRounding = 1e-6;
  return kRounding + (norm == Norm::kLinf
                          ? static_cast<double>(LevelsWithin(epsilon)) / 255
                          : epsilon);
}

}  // namespace

at::Tensor SizesOf(const at::Tensor& perturbations, Norm norm) {
  const at::Tensor values = ValuesOf(perturbations).to(at::kDouble);
  return norm == Norm::kLinf ? values.abs().amax(1)
                             : values.square().sum(1).sqrt();
}

NearestSoFar::NearestSoFar(Nearest start, const at::Tensor& originals,
                           Norm norm)
    : originals_(originals),
      norm_(norm),
      nearest_(std::move(start)),
      sizes_(SizesOf(nearest_.images - originals, norm)
                 .masked_fill(nearest_.found.logical_not(), kNotFound)) {}

void NearestSoFar::Offer(const at::Tensor& rows, const at::Tensor& images,
                         const at::Tensor& logits, const at::Tensor& fooled,
                         int64_t iteration) {
  Offer(rows, {images, logits, fooled, at::full_like(rows, iteration)});
}

void NearestSoFar::Offer(const at::Tensor& rows, const Nearest& found) {
  const at::Tensor sizes =
      SizesOf(found.images - SelectRows(originals_, rows), norm_);
  const at::Tensor nearer =
      found.found.logical_and(sizes.lt(sizes_.index_select(0, rows)));
  const at::Tensor chosen = PositionsOf(nearer);
  const at::Tensor chosen_rows = rows.index_select(0, chosen);
  const auto copy = [&](const at::Tensor& from, at::Tensor& to) {
    to.index_copy_(0, chosen_rows, SelectRows(from, chosen));
  };
  copy(sizes, sizes_);
  copy(found.images, nearest_.images);
  copy(found.logits, nearest_.logits);
  copy(found.iterations, nearest_.iterations);
  nearest_.found.index_fill_(0, chosen_rows, true);
}

at::Tensor NearestSoFar::RowsToAttack() const {
  return PositionsOf(nearest_.found.logical_not());
}

absl::StatusOr<Nearest> MinimisingAttack::AtOriginals(
    AttackedModel& model, const AttackBatch& batch) {
  const at::Tensor all = AllRows(batch);
  // The search goes by the source alone, so the source says what fools.
  const absl::StatusOr<at::Tensor> logits =
      model.transfer() ? model.Scores(batch.images, all) : model.CleanLogits();
  if (!logits.ok()) return logits.status();
  return Nearest{batch.images.clone(), logits->clone(),
                 model.Fooled(*logits, all), at::zeros_like(all)};
}

absl::StatusOr<std::vector<AttackResult>> MinimisingAttack::Perturb(
    AttackedModel& model, const AttackBatch& batch,
    const RunOptions& options) const {
  absl::StatusOr<Nearest> nearest = FindNearest(model, batch, options);
  if (!nearest.ok()) return nearest.status();
  if (options.eight_bit) {
    absl::Status status = MoveToLattice(model, batch, options.norm, *nearest);
    if (!status.ok()) return status;
  }
  const absl::StatusOr<at::Tensor> clean = model.CleanLogits();
  if (!clean.ok()) return clean.status();
  at::Tensor logits = nearest->logits;
  const at::Tensor rows = PositionsOf(nearest->found);
  if (model.transfer() && rows.numel() > 0) {
    const absl::StatusOr<at::Tensor> seen =
        model.Logits(SelectRows(nearest->images, rows), rows);
    if (!seen.ok()) return seen.status();
    // The target is asked only about images that were found; the others keep
    // their originals, whose logits are known.
    logits = clean->index_copy(0, rows, *seen);
  }

  const at::Tensor sizes =
      SizesOf(nearest->images - batch.images, options.norm)
          .masked_fill(nearest->found.logical_not(), kNotFound);
  std::vector<AttackResult> results;
  for (double epsilon : options.epsilons) {
    const at::Tensor inside =
        sizes.le(LargestSize(epsilon, options.norm, options.eight_bit));
    AttackResult result;
    result.images = at::where(PerPixel(inside), nearest->images, batch.images);
    result.logits = at::where(inside.unsqueeze(1), logits, *clean);
    // Outside the ball the result is the original, for which Run sets the
    // iterations (0 or -1).
    result.iterations = nearest->iterations;
    model.ChargeTo(result);
    results.push_back(std::move(result));
  }
  return results;
}

absl::Status MinimisingAttack::MoveToLattice(AttackedModel& model,
                                             const AttackBatch& batch,
                                             Norm norm, Nearest& nearest) {
  const at::Tensor free = nearest.images;
  // An original that fools is its own nearest image, and lies on the lattice
  // already.
  const at::Tensor moved = nearest.iterations.gt(0);
  at::Tensor rows = PositionsOf(nearest.found.logical_and(moved));
  // An image that moved counts as found again once it fools on the lattice.
  nearest.images = batch.images.clone();
  nearest.found = nearest.found.logical_and(moved.logical_not());
  for (const Rounding& rounding : RoundingsOf(norm)) {
    if (rows.numel() == 0) break;
    const at::Tensor images =
        Round(SelectRows(batch.images, rows), SelectRows(free, rows), rounding);
    const absl::StatusOr<at::Tensor> logits = model.Scores(images, rows);
    if (!logits.ok()) return logits.status();
    const at::Tensor fooled = model.Fooled(*logits, rows);
    const at::Tensor chosen = PositionsOf(fooled);
    const at::Tensor chosen_rows = rows.index_select(0, chosen);
    nearest.images.index_copy_(0, chosen_rows, SelectRows(images, chosen));
    nearest.logits.index_copy_(0, chosen_rows, logits->index_select(0, chosen));
    nearest.found.index_fill_(0, chosen_rows, true);
    // The first rounding that fools is the nearest one, so its image leaves.
    rows = rows.index_select(0, PositionsOf(fooled.logical_not()));
  }
  return absl::OkStatus();
}

}  // namespace adv
