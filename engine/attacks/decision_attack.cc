#include "engine/attacks/decision_attack.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/attacks/attacked_model.h"
#include "engine/attacks/layout.h"

namespace adv {

DecisionWalk::DecisionWalk(const DecisionTask& task)
    : task_(task),
      queries_left_(task.queries),
      proposed_(task.values()),
      over_(task.queries < 1) {}

const std::vector<float>& DecisionWalk::Propose() {
  switch (phase_) {
    case Phase::kSeek:
      ProposeStart();
      break;
    case Phase::kBlend: {
      const double share = (blend_low_ + blend_) / 2;
      for (size_t i = 0; i < proposed_.size(); ++i) {
        proposed_[i] = static_cast<float>((1 - share) * task_.original[i] +
                                          share * outer_[i]);
      }
      break;
    }
    case Phase::kWalk:
      ProposeNext(proposed_);
      break;
  }
  return proposed_;
}

void DecisionWalk::Learn(bool fools) {
  constexpr int64_t kMaxTries = 10000;
  constexpr double kBlendPrecision = 0.001;
  const auto starts = static_cast<int64_t>(task_.starts.size());
  --queries_left_;
  switch (phase_) {
    case Phase::kSeek:
      // Starts are tries, too, but only noise is limited.
      ++tries_;
      if (fools) {
        MoveToProposed();
        outer_ = proposed_;
        phase_ = Phase::kBlend;
      } else if (tries_ == kMaxTries + starts) {
        End();
      }
      break;
    case Phase::kBlend: {
      // The share that Propose asked about.
      const double share = (blend_low_ + blend_) / 2;
      // current() is always the image at share `blend_`, which fools.
      (fools ? blend_ : blend_low_) = share;
      if (fools) MoveToProposed();
      if (blend_ - blend_low_ <= kBlendPrecision) {
        phase_ = Phase::kWalk;
        Begin();
      }
      break;
    }
    case Phase::kWalk:
      LearnNext(fools);
      break;
  }
  // The limit ends the walk in every phase.
  if (queries_left_ == 0) End();
}

RandomKey DecisionWalk::ProposalKey() const {
  // A walk asks one question at a time, so the question's number keys its
  // draws.
  return {task_.seed, RandomPurpose::kProposal, 0,
          static_cast<uint32_t>(task_.queries - queries_left_)};
}

double DecisionWalk::DistanceOf(const std::vector<float>& image) const {
  // In double, because walks compare distances that hardly differ.
  double largest = 0, squares = 0;
  for (size_t i = 0; i < image.size(); ++i) {
    const double change = static_cast<double>(image[i]) - task_.original[i];
    largest = std::max(largest, std::abs(change));
    squares += change * change;
  }
  return task_.norm == Norm::kLinf ? largest : std::sqrt(squares);
}

void DecisionWalk::ProposeStart() {
  const auto starts = static_cast<int64_t>(task_.starts.size());
  if (tries_ >= starts) {
    ProposeNoise(tries_ - starts);
    return;
  }
  // The walk asks about the start, too: the network may take it for another
  // class than the caller does.
  std::copy_n(task_.starts[tries_], task_.values(), proposed_.begin());
}

void DecisionWalk::ProposeNoise(int64_t attempt) {
  // Attempts use blocks of 1, 2, 4, ... pixels in turn. All pixels of a block
  // take the noise of its top left one.
  const int64_t largest = std::min(task_.height, task_.width);
  int64_t grains = 1;
  while (int64_t{1} << grains <= largest) ++grains;
  const int64_t grain = int64_t{1} << attempt % grains;
  const RandomKey key = {task_.seed, RandomPurpose::kStart, 0,
                         static_cast<uint32_t>(attempt)};
  const at::Tensor drawn = DrawUniform(key, {task_.sample}, task_.values());
  const float* noise = drawn.data_ptr<float>();
  for (int64_t i = 0; i < task_.values(); ++i) {
    const int64_t pixel = i / task_.channels;
    const int64_t y = pixel / task_.width, x = pixel % task_.width;
    proposed_[i] =
        noise[i - (y % grain * task_.width + x % grain) * task_.channels];
  }
}

// The images whose walks go on.
struct DecisionAttack::Active {
  at::Tensor rows;  // [M] int64 on the CPU, which images of the batch
  std::vector<std::unique_ptr<DecisionWalk>> walks;  // M

  // `kept` is on the CPU.
  void Keep(const at::Tensor& kept) {
    rows = rows.index_select(0, kept);
    std::vector<std::unique_ptr<DecisionWalk>> all = std::move(walks);
    walks.clear();
    for (int64_t i = 0; i < kept.size(0); ++i) {
      walks.push_back(std::move(all[kept.data_ptr<int64_t>()[i]]));
    }
  }
  // Each walk's next image, [M, values]. A walk asks one question per pass.
  at::Tensor Propose(int64_t values) {
    at::Tensor proposed =
        at::empty({static_cast<int64_t>(walks.size()), values}, at::kFloat);
    float* to = proposed.data_ptr<float>();
    for (const std::unique_ptr<DecisionWalk>& walk : walks) {
      const std::vector<float>& image = walk->Propose();
      to = std::copy(image.begin(), image.end(), to);
    }
    return proposed;
  }
  // Tells each walk whether its image fools, by `fooled` [M] bool on the CPU,
  // and drops the walks that are over.
  void Learn(const at::Tensor& fooled) {
    at::Tensor goes_on = at::empty_like(fooled);
    for (size_t i = 0; i < walks.size(); ++i) {
      walks[i]->Learn(fooled.data_ptr<bool>()[i]);
      goes_on.data_ptr<bool>()[i] = !walks[i]->over();
    }
    Keep(PositionsOf(goes_on));
  }
};

// The batch's images in the form that walks take, on the CPU.
struct DecisionAttack::Views {
  explicit Views(const AttackBatch& batch)
      : originals(ValuesOf(batch.images.cpu())) {
    if (!batch.targets.defined() || !batch.examples.defined()) return;
    targets = batch.targets.cpu();
    examples = ValuesOf(batch.examples.cpu());
    classes = batch.example_classes.cpu();
  }

  // The examples of image `row`'s target class, the nearest first.
  std::vector<const float*> StartsOf(int64_t row, Norm norm) const {
    if (!examples.defined()) return {};
    const at::Tensor own = classes.eq(targets[row]).nonzero().flatten();
    const at::Tensor change = examples.index_select(0, own) - originals[row];
    const at::Tensor sizes =
        SizesOf(change.view({-1, 1, 1, examples.size(1)}), norm);
    // A stable order keeps examples of equal size in the batch's order.
    const at::Tensor order = at::argsort(sizes, /*stable=*/true, /*dim=*/0,
                                         /*descending=*/false);
    const at::Tensor nearest = own.index_select(0, order);
    std::vector<const float*> starts;
    for (int64_t i = 0; i < nearest.size(0); ++i) {
      starts.push_back(examples.data_ptr<float>() +
                       nearest.data_ptr<int64_t>()[i] * examples.size(1));
    }
    return starts;
  }

  at::Tensor originals;          // [N, values]
  at::Tensor targets;            // [N] int64; undefined without examples
  at::Tensor examples, classes;  // [E, values], [E] int64
};

DecisionAttack::Active DecisionAttack::StartWalks(
    const at::Tensor& rows, int64_t queries, const AttackBatch& batch,
    const Views& views, const RunOptions& options) const {
  DecisionTask task;
  task.channels = batch.images.size(1);
  task.height = batch.images.size(2);
  task.width = batch.images.size(3);
  task.norm = options.norm;
  task.queries = queries;
  task.seed = options.seed;
  Active active;
  active.rows = rows;
  for (int64_t i = 0; i < rows.size(0); ++i) {
    const int64_t row = rows.data_ptr<int64_t>()[i];
    task.original = views.originals.data_ptr<float>() + row * task.values();
    task.sample = batch.samples.data_ptr<int64_t>()[row];
    task.starts = views.StartsOf(row, options.norm);
    active.walks.push_back(StartWalk(task));
  }
  return active;
}

absl::StatusOr<Nearest> DecisionAttack::FindNearest(
    AttackedModel& model, const AttackBatch& batch,
    const RunOptions& options) const {
  absl::StatusOr<Nearest> start = AtOriginals(model, batch);
  if (!start.ok()) return start;
  NearestSoFar nearest(*std::move(start), batch.images, options.norm);
  // The target's verdict on a transfer and the way to the lattice take their
  // queries out of the same limit.
  const int64_t queries = queries_ - (model.transfer() ? 1 : 0) -
                          (options.eight_bit ? kLatticeQueries : 0);
  const Views views(batch);
  Active active =
      StartWalks(nearest.RowsToAttack().cpu(), queries, batch, views, options);

  for (int64_t query = 1; query <= queries && !active.walks.empty(); ++query) {
    // Walks share passes for speed alone; none sees what another one asks.
    const at::Tensor images =
        ImagesOf(active.Propose(views.originals.size(1)), batch.images)
            .to(batch.images.device());
    const at::Tensor rows = active.rows.to(batch.images.device());
    const absl::StatusOr<at::Tensor> logits = model.Scores(images, rows);
    if (!logits.ok()) return logits.status();
    const at::Tensor fooled = model.Fooled(*logits, rows);
    nearest.Offer(rows, images, *logits, fooled, query);
    active.Learn(fooled.cpu());
  }
  return nearest.nearest();
}

}  // namespace adv
