#include "engine/attacks/noise.h"

#include <ATen/ATen.h>

#include <utility>

#include "engine/attacks/attacked_model.h"
#include "engine/attacks/ball.h"
#include "engine/attacks/budget_attack.h"
#include "engine/attacks/candidates.h"
#include "engine/attacks/layout.h"
#include "engine/attacks/perturbations.h"

namespace adv {
namespace {

class Noise final : public BudgetAttack {
 public:
  explicit Noise(const NoiseConfig& config)
      : BudgetAttack(TraitsOf(config)), config_(config) {}

 private:
  absl::StatusOr<AttackResult> PerturbWithin(
      double epsilon, AttackedModel& model, const AttackBatch& batch,
      const RunOptions& options) const override;
  // Noisy images at `rows`, in the ball.
  at::Tensor Draw(double epsilon, int64_t repeat, const at::Tensor& rows,
                  const AttackBatch& batch, const RunOptions& options) const;

  const NoiseConfig config_;
};

absl::StatusOr<AttackResult> Noise::PerturbWithin(
    double epsilon, AttackedModel& model, const AttackBatch& batch,
    const RunOptions& options) const {
  WorstOf worst(batch.labels.size(0));
  // The clean image is an iterate, too, so one that fools is the result.
  if (options.success == SuccessRule::kAnyIterate) {
    const absl::StatusOr<at::Tensor> clean = model.CleanLogits();
    if (!clean.ok()) return clean.status();
    worst.Add(CleanCandidates(
        batch.images, *clean,
        model.Fooled(*clean, worst.RowsToAttack(batch.labels.device()))));
  }
  // A repeat leaves out the images that an earlier one has fooled.
  for (int64_t repeat = 0; repeat < config_.repeats; ++repeat) {
    Candidates found;
    found.rows = worst.RowsToAttack(batch.labels.device());
    if (found.rows.numel() == 0) break;
    found.images = Draw(epsilon, repeat, found.rows, batch, options);
    absl::StatusOr<at::Tensor> logits = model.Logits(found.images, found.rows);
    if (!logits.ok()) return logits.status();
    found.logits = *std::move(logits);
    // Noise is its own single step; Run marks the images that do not fool.
    found.iterations = at::ones_like(found.rows);
    if (absl::Status status = Judge(model, config_.repeats > 1, found);
        !status.ok()) {
      return status;
    }
    worst.Add(found);
  }
  AttackResult result;
  worst.WriteTo(result);
  return result;
}

at::Tensor Noise::Draw(double epsilon, int64_t repeat, const at::Tensor& rows,
                       const AttackBatch& batch,
                       const RunOptions& options) const {
  const at::Tensor originals = SelectRows(batch.images, rows);
  // The box may cut what is drawn, and the ball cuts normal values.
  const Ball ball(originals, {options.norm, epsilon},
                  {true, options.eight_bit});
  at::Tensor images =
      DrawPerturbations(
          config_.distribution == NoiseConfig::Distribution::kUniform
              ? Spread::kVolume
              : Spread::kNormal,
          options.norm,
          // kProposal, so that the noise does not repeat the random starts that
          // attacks draw from the same seed.
          {options.seed, RandomPurpose::kProposal,
           static_cast<uint32_t>(repeat), 0},
          batch.samples.index_select(0, rows.cpu()), originals)
          .mul_(epsilon)
          .add_(originals);
  ball.Project(images);
  return ball.Snap(images);
}

}  // namespace

std::unique_ptr<const Attack> MakeNoise(const NoiseConfig& config) {
  return std::make_unique<Noise>(config);
}

}  // namespace adv
