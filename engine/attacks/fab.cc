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
  };

  absl::StatusOr<Nearest> FindNearest(AttackedModel& model,
                                      const AttackBatch& batch,
                                      const RunOptions& options) const override;
  static at::Tensor Start(const Run& run, int64_t course, int64_t restart,
                          const NearestSoFar& nearest);
  // The margin that is 0 on the boundary to walk to: that of the classes `to`
  // [M] over the labels or, if `to` is undefined, the one that fab.h names.
  static absl::StatusOr<Margin> MarginAt(AttackedModel& model, const Run& run,
                                         const at::Tensor& to,
                                         const at::Tensor& images);
  at::Tensor StepFrom(const at::Tensor& images, const at::Tensor& originals,
                      const Margin& margin, Norm norm) const;
  absl::Status Walk(AttackedModel& model, const Run& run, const at::Tensor& to,
                    at::Tensor images, NearestSoFar& nearest) const;

  const FabConfig config_;
};

at::Tensor Fab::Start(const Run& run, int64_t course, int64_t restart,
                      const NearestSoFar& nearest) {
  if (restart == 0) return run.originals;
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
                                     const at::Tensor& to,
                                     const at::Tensor& images) {
  if (to.defined()) {
    return FindMargin(model, images, run.rows,
                      run.batch.labels.index_select(0, run.rows), to);
  }
  // FAB takes no verdict between the two parts: all images go on.
  absl::StatusOr<Margin> margin =
      FindFirstMargin(model, run.batch, images, run.rows);
  if (!margin.ok()) return margin;
  absl::Status status =
      FindNearestMargin(model, run.batch, images, run.rows, run.options.norm,
                        /*within_box=*/false, *margin);
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

absl::Status Fab::Walk(AttackedModel& model, const Run& run,
                       const at::Tensor& to, at::Tensor images,
                       NearestSoFar& nearest) const {
  for (int64_t n = 1; n <= config_.steps; ++n) {
    const absl::StatusOr<Margin> margin = MarginAt(model, run, to, images);
    if (!margin.ok()) return margin.status();
    images = StepFrom(images, run.originals, *margin, run.options.norm);
    // The next gradient pass would tell too late: it sees the iterate after the
    // backward step.
    const absl::StatusOr<at::Tensor> logits = model.Scores(images, run.rows);
    if (!logits.ok()) return logits.status();
    const at::Tensor fooled = model.Fooled(*logits, run.rows);
    nearest.Offer(run.rows, images, *logits, fooled, n);
    // The paper's backward step, toward the original from an image that fools.
    const at::Tensor back =
        run.originals + (images - run.originals) * config_.beta.value();
    images = at::where(PerPixel(fooled), back, images);
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
  const Run run{batch, options, rows, SelectRows(batch.images, rows)};

  // FAB-T. The label stands last in `others` and is no class to lead to.
  const bool one_by_one = !model.targeted() && config_.target_classes > 0;
  const at::Tensor others =
      OthersByLogit(nearest.nearest().logits, batch.labels)
          .index_select(0, rows);
  const int64_t courses =
      one_by_one ? std::min<int64_t>(config_.target_classes, others.size(1) - 1)
                 : 1;
  for (int64_t course = 0; course < courses; ++course) {
    const at::Tensor to = one_by_one ? others.select(1, course) : at::Tensor();
    for (int64_t restart = 0; restart < config_.restarts; ++restart) {
      absl::Status status =
          Walk(model, run, to, Start(run, course, restart, nearest), nearest);
      if (!status.ok()) return status;
    }
  }
  return nearest.nearest();
}

}  // namespace

std::unique_ptr<const Attack> MakeFab(const FabConfig& config) {
  return std::make_unique<Fab>(config);
}

}  // namespace adv
