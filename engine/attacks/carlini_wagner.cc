#include "engine/attacks/carlini_wagner.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/attacks/attacked_model.h"
#include "engine/attacks/layout.h"
#include "engine/attacks/margin.h"

namespace adv {
namespace {

// The variable v with (tanh v + 1) / 2 = `images`, except that the factor keeps
// black and white pixels finite. The arctanh needs doubles: 1 - scaled can be
// as small as 1e-6, where float32 has hardly a digit left.
at::Tensor ToVariable(const at::Tensor& images) {
  const at::Tensor scaled = (images.to(at::kDouble) * 2 - 1) * 0.999999;
  return (((1 + scaled) / (1 - scaled)).log() / 2).to(at::kFloat);
}

// Adam (Kingma and Ba, arXiv 1412.6980) on the variables of M images. It works
// pixel by pixel, so images do not influence one another.
struct Adam {
  at::Tensor variable, mean, square;  // [M, channels, height, width]

  void Step(const at::Tensor& gradient, double learning_rate, int64_t n) {
    constexpr double kBeta1 = 0.9, kBeta2 = 0.999, kEpsilon = 1e-8;
    mean = mean * kBeta1 + gradient * (1 - kBeta1);
    square = square * kBeta2 + gradient.square() * (1 - kBeta2);
    const double steps = static_cast<double>(n);
    // The bias corrections of the paper's algorithm 1.
    const at::Tensor root =
        (square / (1 - std::pow(kBeta2, steps))).sqrt() + kEpsilon;
    variable = variable -
               mean / root * (learning_rate / (1 - std::pow(kBeta1, steps)));
  }
};

// The images that still take part in one descent with fixed constants c.
struct ActiveSearch {
  at::Tensor rows;         // [M] int64, which images of the batch
  at::Tensor result_rows;  // [M] int64, where they are in Descend's result
  at::Tensor originals;    // [M, channels, height, width]
  at::Tensor constants;    // [M] double
  Adam adam;
  at::Tensor loss;  // [M] double, at the last comparison

  void Keep(const at::Tensor& kept) {
    for (at::Tensor* part : {&rows, &result_rows, &originals, &constants, &loss,
                             &adam.variable, &adam.mean, &adam.square}) {
      *part = SelectRows(*part, kept);
    }
  }
};

// The constants c of all images, [M] double each, by binary search.
class Constants {
 public:
  Constants(double initial, int64_t count, at::Device device)
      : lower_(at::zeros({count}, at::device(device).dtype(at::kDouble))),
        upper_(at::full_like(lower_, kUnbounded)),
        now_(at::full_like(lower_, initial)) {}

  const at::Tensor& now() const { return now_; }
  // Makes the constants larger where the search failed, smaller where it
  // succeeded.
  void Adapt(const at::Tensor& succeeded) {
    upper_ = at::where(succeeded, at::min(upper_, now_), upper_);
    lower_ = at::where(succeeded, lower_, at::max(lower_, now_));
    now_ = at::where(upper_.lt(kUnbounded), (lower_ + upper_) / 2, now_ * 10);
  }

 private:
  // Stands for "has not succeeded yet". The 1e10 of the authors' code is a
  // value that a constant may reach.
  static constexpr double kUnbounded = std::numeric_limits<double>::infinity();
  // The search failed with `lower_`, which is 0 at first, and succeeded with
  // `upper_`.
  at::Tensor lower_, upper_, now_;
};

class CarliniWagner final : public MarginAttack {
 public:
  explicit CarliniWagner(const CarliniWagnerConfig& config)
      : MarginAttack(TraitsOf(config)), config_(config) {}

 private:
  absl::StatusOr<Nearest> FindNearest(AttackedModel& model,
                                      const AttackBatch& batch,
                                      const RunOptions& options) const override;
  // For each image of `active`, [M] bool: whether the descent met one that
  // fools.
  absl::StatusOr<at::Tensor> Descend(AttackedModel& model,
                                     const AttackBatch& batch,
                                     ActiveSearch& active,
                                     NearestSoFar& nearest) const;

  const CarliniWagnerConfig config_;
};

absl::StatusOr<at::Tensor> CarliniWagner::Descend(AttackedModel& model,
                                                  const AttackBatch& batch,
                                                  ActiveSearch& active,
                                                  NearestSoFar& nearest) const {
  const int64_t tenth = std::max<int64_t>(1, config_.steps / 10);
  at::Tensor succeeded =
      at::zeros_like(active.rows, active.rows.options().dtype(at::kBool));
  for (int64_t n = 1; n <= config_.steps && active.rows.numel() > 0; ++n) {
    const at::Tensor tanh = active.adam.variable.tanh();
    const at::Tensor images = (tanh + 1) / 2;
    const absl::StatusOr<Margin> margin =
        FindGoalMargin(model, batch, images, active.rows);
    if (!margin.ok()) return margin.status();
    // At a margin of 0 two classes are equal and either may be the verdict, so
    // the margin does not tell whether the image fools.
    const at::Tensor fooled =
        model.Fooled(margin->logits, active.rows)
            .logical_and_(margin->values.ge(config_.confidence.value()));
    nearest.Offer(active.rows, images, margin->logits, fooled, n);
    succeeded.index_fill_(0, active.result_rows.masked_select(fooled), true);

    // The gradient of the loss (carlini_wagner.h) with respect to v, by the
    // chain rule: that with respect to x' times dx'/dv = (1 - tanh^2) / 2. The
    // margin pulls only while it is below `confidence`.
    const at::Tensor change = images - active.originals;
    const at::Tensor missing = config_.confidence.value() - margin->values;
    const at::Tensor pull =
        at::where(missing.gt(0), active.constants, at::zeros_like(missing));
    const at::Tensor by_pixel =
        change * 2 - margin->gradient * PerPixel(pull.to(at::kFloat));
    active.adam.Step(by_pixel * (1 - tanh.square()) / 2, config_.learning_rate,
                     n);
    // Early stopping of the authors' code, image by image. The first comparison
    // is with infinity, so every image passes it.
    if ((n - 1) % tenth == 0) {
      const at::Tensor loss =
          SizesOf(change, Norm::kL2).square() + pull * missing;
      const at::Tensor goes_on = loss.le(active.loss * 0.9999);
      active.loss = loss;
      active.Keep(PositionsOf(goes_on));
    }
  }
  return succeeded;
}

absl::StatusOr<Nearest> CarliniWagner::FindNearest(
    AttackedModel& model, const AttackBatch& batch,
    const RunOptions& options) const {
  const absl::StatusOr<Nearest> start = AtOriginals(model, batch);
  if (!start.ok()) return start.status();
  NearestSoFar nearest(*start, batch.images, options.norm);
  const at::Tensor rows = nearest.RowsToAttack();
  const at::Tensor originals = SelectRows(batch.images, rows);
  const at::Tensor variable = ToVariable(originals);
  Constants constants(config_.initial_constant, rows.size(0), rows.device());
  // All images are searched again each time: a larger or smaller constant may
  // find a nearer image of one that has been fooled, too.
  for (int64_t n = 0; n < config_.binary_search_steps; ++n) {
    // Variable and Adam start anew, so that a search does not depend on the
    // path of the one before it.
    const at::Tensor zeros = at::zeros_like(variable);
    ActiveSearch active{rows,
                        at::arange(rows.size(0), rows.options()),
                        originals,
                        constants.now(),
                        {variable, zeros, zeros},
                        at::full_like(constants.now(),
                                      std::numeric_limits<double>::infinity())};
    const absl::StatusOr<at::Tensor> succeeded =
        Descend(model, batch, active, nearest);
    if (!succeeded.ok()) return succeeded.status();
    constants.Adapt(*succeeded);
  }
  return nearest.nearest();
}

}  // namespace

std::unique_ptr<const Attack> MakeCarliniWagner(
    const CarliniWagnerConfig& config) {
  return std::make_unique<CarliniWagner>(config);
}

}  // namespace adv
