#include "engine/attacks/fab.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "engine/attacks/attacked_model.h"
#include "engine/attacks/candidates.h"
#include "engine/attacks/layout.h"
#include "engine/attacks/margin.h"
#include "engine/attacks/perturbations.h"
#include "engine/attacks/plane_projection.h"

namespace adv {
namespace {

// [M] double: <a, b> of each image.
at::Tensor Products(const at::Tensor& a, const at::Tensor& b) {
  return (ValuesOf(a).to(at::kDouble) * ValuesOf(b)).sum(1);
}

class Fab final : public MarginAttack {
 public:
  explicit Fab(const FabConfig& config)
      : MarginAttack(TraitsOf(config)), config_(config) {}

 private:
  // What all walks share: the images that do not fool by themselves. They all
  // take part to the end, because a nearer image may always follow.
  struct Run {
    const AttackBatch& batch;
    const RunOptions& options;
    const at::Tensor rows;       // [M] int64, which images of the batch
    const at::Tensor originals;  // [M, channels, height, width]
    // [courses, M] int64: the classes that FAB-T leads each image to, in turn.
    // Undefined if there is one course, to the boundary that fab.h names.
    const at::Tensor to;

    int64_t courses() const { return to.defined() ? to.size(0) : 1; }
  };

  absl::StatusOr<Nearest> FindNearest(AttackedModel& model,
                                      const AttackBatch& batch,
                                      const RunOptions& options) const override;
  // `logits` [N, classes] are those of the originals.
  at::Tensor Destinations(const AttackedModel& model, const AttackBatch& batch,
                          const at::Tensor& rows,
                          const at::Tensor& logits) const;
  static at::Tensor Start(const Run& run, int64_t course, int64_t restart,
                          const NearestSoFar& nearest);
  // The margin that is 0 on the boundary to walk to: that of the classes `to`
  // [M] over the labels or, if `to` is undefined, the one that fab.h names.
  static absl::StatusOr<Margin> MarginAt(AttackedModel& model, const Run& run,
                                         const at::Tensor& rows,
                                         const at::Tensor& to,
                                         const at::Tensor& images);
  at::Tensor StepFrom(const at::Tensor& images, const at::Tensor& originals,
                      const Margin& margin, Norm norm) const;
  // Walks on the `count` courses from `first` on at once. Entry c M + i, of
  // `images` and of what is found, is image i on the c-th of them.
  absl::StatusOr<Nearest> Walk(AttackedModel& model, const Run& run,
                               int64_t first, int64_t count,
                               at::Tensor images) const;
  // The same with all restarts. `nearest` is offered what they find.
  absl::Status WalkAndRestart(AttackedModel& model, const Run& run,
                              int64_t first, int64_t count,
                              NearestSoFar& nearest) const;

  const FabConfig config_;
};

at::Tensor Fab::Destinations(const AttackedModel& model,
                             const AttackBatch& batch, const at::Tensor& rows,
                             const at::Tensor& logits) const {
  if (model.targeted() || config_.target_classes == 0) return {};
  // The label stands last among them and is no class to lead to.
  const at::Tensor others =
      OthersByLogit(logits, batch.labels).index_select(0, rows);
  return others.t().narrow(
      0, 0, std::min<int64_t>(config_.target_classes, others.size(1) - 1));
}

at::Tensor Fab::Start(const Run& run, int64_t course, int64_t restart,
                      const NearestSoFar& nearest) {
  const std::vector<double>& epsilons = run.options.epsilons;
  // An image without a fooling one yet has an infinite size, so the largest
  // epsilon decides.
  const at::Tensor radius =
      nearest.sizes()
          .index_select(0, run.rows)
          .clamp_max(*std::max_element(epsilons.begin(), epsilons.end()))
          .div(2);
  // Each course has random starts of its own.
  const RandomKey key{run.options.seed, RandomPurpose::kStart,
                      static_cast<uint32_t>(restart),
                      static_cast<uint32_t>(course)};
  const at::Tensor drawn = DrawPerturbations(
      Spread::kSurface, run.options.norm, key,
      run.batch.samples.index_select(0, run.rows.cpu()), run.originals);
  return (run.originals + drawn * PerPixel(radius.to(at::kFloat))).clamp(0, 1);
}

absl::StatusOr<Margin> Fab::MarginAt(AttackedModel& model, const Run& run,
                                     const at::Tensor& rows,
                                     const at::Tensor& to,
                                     const at::Tensor& images) {
  if (to.defined()) {
    return FindMargin(model, images, rows,
                      run.batch.labels.index_select(0, rows), to);
  }
  if (model.targeted()) return FindGoalMargin(model, run.batch, images, rows);
  // FAB takes no verdict in between, so that no image leaves.
  Margin margin;
  absl::Status status =
      FindNearestMargin(model, run.batch, images, rows, run.options.norm,
                        /*within_box=*/false, margin);
  if (!status.ok()) return status;
  return margin;
}

at::Tensor Fab::StepFrom(const at::Tensor& images, const at::Tensor& originals,
                         const Margin& margin, Norm norm) const {
  const at::Tensor move =
      MovesOntoPlanes(images, margin.gradient, margin.values, norm);
  // The same plane as the original sees it: f(x_0) = f(x_n) + <w, x_0 - x_n>.
  const at::Tensor move_of_original = MovesOntoPlanes(
      originals, margin.gradient,
      margin.values + Products(margin.gradient, originals - images), norm);
  // Where the image lies on the plane and its original does, too, both moves
  // are 0.
  constexpr double kSmallest = 1e-8;
  const at::Tensor size = SizesOf(move, norm).clamp_min(kSmallest);
  const at::Tensor size_of_original =
      SizesOf(move_of_original, norm).clamp_min(kSmallest);
  const at::Tensor alpha = PerPixel((size / (size + size_of_original))
                                        .clamp_max(config_.alpha_max.value())
                                        .to(at::kFloat));
  const double eta = config_.eta;
  return ((images + move * eta) * (1 - alpha) +
          (originals + move_of_original * eta) * alpha)
      .clamp(0, 1);
}

absl::StatusOr<Nearest> Fab::Walk(AttackedModel& model, const Run& run,
                                  int64_t first, int64_t count,
                                  at::Tensor images) const {
  const at::Tensor originals = RepeatRows(run.originals, count);
  const at::Tensor rows = run.rows.repeat({count});
  const at::Tensor to = run.to.defined()
                            ? run.to.narrow(0, first, count).flatten()
                            : at::Tensor();
  // Each walk has an entry of its own.
  const at::Tensor walks = at::arange(rows.size(0), rows.options());
  const Nearest nothing{
      originals.clone(),
      at::zeros({rows.size(0), model.classes()}, originals.options()),
      at::zeros_like(rows, at::kBool), at::zeros_like(rows)};
  NearestSoFar nearest(nothing, originals, run.options.norm);
  for (int64_t n = 1; n <= config_.steps; ++n) {
    const absl::StatusOr<Margin> margin =
        MarginAt(model, run, rows, to, images);
    if (!margin.ok()) return margin.status();
    images = StepFrom(images, originals, *margin, run.options.norm);
    // The next gradient pass would tell too late: it sees the iterate after the
    // backward step.
    const absl::StatusOr<at::Tensor> logits = model.Scores(images, rows);
    if (!logits.ok()) return logits.status();
    const at::Tensor fooled = model.Fooled(*logits, rows);
    nearest.Offer(walks, images, *logits, fooled, n);
    // The paper's backward step, toward the original from an image that fools.
    const at::Tensor back =
        originals + (images - originals) * config_.beta.value();
    images = at::where(PerPixel(fooled), back, images);
  }
  return nearest.nearest();
}

absl::Status Fab::WalkAndRestart(AttackedModel& model, const Run& run,
                                 int64_t first, int64_t count,
                                 NearestSoFar& nearest) const {
  // The walks from the originals depend on nothing that others find.
  const absl::StatusOr<Nearest> found =
      Walk(model, run, first, count, RepeatRows(run.originals, count));
  if (!found.ok()) return found.status();
  const int64_t size = run.rows.size(0);
  for (int64_t i = 0; i < count; ++i) {
    nearest.Offer(run.rows, {found->images.narrow(0, i * size, size),
                             found->logits.narrow(0, i * size, size),
                             found->found.narrow(0, i * size, size),
                             found->iterations.narrow(0, i * size, size)});
    // A restart starts as far away as all walks before it allow, those of the
    // courses before this one, too.
    for (int64_t restart = 1; restart < config_.restarts; ++restart) {
      const absl::StatusOr<Nearest> again = Walk(
          model, run, first + i, 1, Start(run, first + i, restart, nearest));
      if (!again.ok()) return again.status();
      nearest.Offer(run.rows, *again);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Nearest> Fab::FindNearest(AttackedModel& model,
                                         const AttackBatch& batch,
                                         const RunOptions& options) const {
  const absl::StatusOr<Nearest> start = AtOriginals(model, batch);
  if (!start.ok()) return start.status();
  NearestSoFar nearest(*start, batch.images, options.norm);
  const at::Tensor rows = nearest.RowsToAttack();
  if (rows.numel() == 0) return nearest.nearest();
  const Run run{batch, options, rows, SelectRows(batch.images, rows),
                Destinations(model, batch, rows, nearest.nearest().logits)};
  const int64_t at_once = model.PassesInOne(rows.size(0));
  for (int64_t first = 0; first < run.courses(); first += at_once) {
    absl::Status status = WalkAndRestart(
        model, run, first, std::min(at_once, run.courses() - first), nearest);
    if (!status.ok()) return status;
  }
  return nearest.nearest();
}

}  // namespace

std::unique_ptr<const Attack> MakeFab(const FabConfig& config) {
  return std::make_unique<Fab>(config);
}

}  // namespace adv
