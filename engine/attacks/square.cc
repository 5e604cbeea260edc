#include "engine/attacks/square.h"

#include <ATen/ATen.h>

#include <limits>
#include <utility>
#include <vector>

#include "engine/attacks/attacked_model.h"
#include "engine/attacks/ball.h"
#include "engine/attacks/budget_attack.h"
#include "engine/attacks/candidates.h"
#include "engine/attacks/layout.h"
#include "engine/attacks/random.h"
#include "engine/attacks/square_proposals.h"

namespace adv {
namespace {

constexpr float kHighest = std::numeric_limits<float>::infinity();

// [M] float32: the margins that a query must lower.
at::Tensor Margins(const at::Tensor& logits, const at::Tensor& classes,
                   bool targeted) {
  // Infinity takes the own class out of the largest of the others.
  const at::Tensor own = classes.unsqueeze(1);
  const at::Tensor margins = logits.gather(1, own).squeeze(1) -
                             logits.scatter(1, own, -kHighest).amax(1);
  return targeted ? margins.neg() : margins;
}

class Square final : public BudgetAttack {
 public:
  explicit Square(const SquareConfig& config)
      : BudgetAttack(TraitsOf(config)), config_(config) {}

 private:
  struct Active;
  struct Search;

  absl::StatusOr<AttackResult> PerturbWithin(
      double epsilon, AttackedModel& model, const AttackBatch& batch,
      const RunOptions& options) const override;
  absl::StatusOr<Candidates> Go(Search search, AttackedModel& model) const;
  void Propose(int64_t query, Search& search) const;
  absl::Status Ask(int64_t query, AttackedModel& model, Search& search) const;

  const SquareConfig config_;
};

// The images of a search that are still under attack.
struct Square::Active {
  at::Tensor rows;         // [A] int64, which images of the batch
  at::Tensor result_rows;  // [A] int64 on the CPU, where they are in the Search
  Ball ball;               // on the CPU

  // `kept` is on the CPU.
  void Keep(const at::Tensor& kept) {
    rows = rows.index_select(0, kept.to(rows.device()));
    result_rows = result_rows.index_select(0, kept);
    ball = ball.Select(kept);
  }
};

// The search for M images within one epsilon, and its result.
struct Square::Search {
  Search(const AttackBatch& batch, const RunOptions& options, double epsilon,
         uint32_t restart, const at::Tensor& rows)
      : rows(rows),
        classes((batch.targets.defined() ? batch.targets : batch.labels)
                    .index_select(0, rows)),
        samples(batch.samples.index_select(0, rows.cpu())),
        seed(options.seed),
        epsilon(epsilon),
        restart(restart),
        proposals(MakeSquareProposals(SelectRows(batch.images, rows),
                                      {options.norm, epsilon},
                                      options.eight_bit)),
        // A copy, because the ball shares its originals and candidates
        // overwrite the proposals' images.
        ball(proposals->images().clone(), {options.norm, epsilon},
             {true, options.eight_bit}),
        active{rows, at::arange(rows.size(0), at::kLong), ball},
        margins(rows.size(0), kHighest),
        squares(at::zeros({rows.size(0)}, at::kLong)) {}

  bool all_active() const { return active.rows.size(0) == rows.size(0); }

  const at::Tensor rows;     // [M] int64, which images of the batch
  const at::Tensor classes;  // [M], the targets or the labels
  const at::Tensor samples;  // [M]; this and all below are on the CPU
  const uint64_t seed;
  const double epsilon;
  const uint32_t restart;
  const std::unique_ptr<SquareProposals> proposals;
  const Ball ball;  // of all M
  Active active;
  std::vector<float> margins;  // [M], of the best images so far
  at::Tensor squares;          // [M] int64, how many were tried
  at::Tensor logits = {};      // [M, classes] the source's, of the same
};

absl::StatusOr<AttackResult> Square::PerturbWithin(
    double epsilon, AttackedModel& model, const AttackBatch& batch,
    const RunOptions& options) const {
  const at::Device device = batch.labels.device();
  WorstOf worst(batch.labels.size(0));
  // Only this rule counts the clean image as an iterate.
  if (options.success == SuccessRule::kAnyIterate) {
    const absl::StatusOr<at::Tensor> clean = model.CleanLogits();
    if (!clean.ok()) return clean.status();
    worst.Add(
        CleanCandidates(batch.images, *clean,
                        model.Fooled(*clean, worst.RowsToAttack(device))));
  }
  for (int64_t restart = 0; restart < config_.restarts; ++restart) {
    const at::Tensor rows = worst.RowsToAttack(device);
    if (rows.numel() == 0) break;
    const absl::StatusOr<Candidates> found = Go(
        Search(batch, options, epsilon, static_cast<uint32_t>(restart), rows),
        model);
    if (!found.ok()) return found.status();
    worst.Add(*found);
  }
  AttackResult result;
  worst.WriteTo(result);
  return result;
}

absl::StatusOr<Candidates> Square::Go(Search search,
                                      AttackedModel& model) const {
  // An empty ball holds one image, so further queries would repeat it.
  const int64_t queries = search.epsilon > 0 ? config_.queries.value() : 1;
  for (int64_t query = 0; query < queries; ++query) {
    if (search.active.rows.numel() == 0) break;
    Propose(query, search);
    if (absl::Status status = Ask(query, model, search); !status.ok()) {
      return status;
    }
  }
  Candidates found;
  found.rows = search.rows;
  found.images =
      search.ball.Snap(search.proposals->images()).to(search.rows.device());
  found.logits = search.logits;
  // The source's logits decide here, as in Attack::Judge.
  found.fooled = model.Fooled(found.logits, search.rows);
  // The search lowers margins, while the worst run has the largest objective.
  found.objective =
      Margins(found.logits, search.classes, model.targeted()).neg();
  // Only now does the target see the images.
  if (model.transfer()) {
    absl::StatusOr<at::Tensor> verdict =
        model.Logits(found.images, search.rows);
    if (!verdict.ok()) return verdict.status();
    found.logits = *std::move(verdict);
  }
  found.iterations =
      search.squares.to(search.rows.device())
          .masked_fill(model.Fooled(found.logits, search.rows).logical_not(),
                       -1);
  return found;
}

void Square::Propose(int64_t query, Search& search) const {
  // Each image draws by its own sample and the query, so its candidates do not
  // depend on the images that are active beside it.
  const double share =
      SquareShare(config_.initial_share, query, config_.queries);
  const int64_t* samples = search.samples.data_ptr<int64_t>();
  const at::Tensor& result_rows = search.active.result_rows;
  for (int64_t i = 0; i < result_rows.size(0); ++i) {
    const int64_t row = result_rows.data_ptr<int64_t>()[i];
    const RandomKey key = {
        search.seed,
        query == 0 ? RandomPurpose::kStart : RandomPurpose::kProposal,
        search.restart, static_cast<uint32_t>(query)};
    const RandomWords words(key, samples[row]);
    if (query == 0) {
      search.proposals->Start(row, words);
    } else {
      search.proposals->Propose(row, share, words);
    }
  }
}

absl::Status Square::Ask(int64_t query, AttackedModel& model,
                         Search& search) const {
  const at::Device device = search.rows.device();
  Active& active = search.active;
  const at::Tensor result_rows = active.result_rows.to(device);
  const at::Tensor& images = search.proposals->images();
  // While all images are active, the pass reads the proposals' own memory.
  const absl::StatusOr<at::Tensor> logits = model.Scores(
      active.ball.Snap(search.all_active()
                           ? images
                           : SelectRows(images, active.result_rows)),
      active.rows);
  if (!logits.ok()) return logits.status();
  const at::Tensor margins =
      Margins(*logits, search.classes.index_select(0, result_rows),
              model.targeted())
          .cpu();
  const at::Tensor fooled = model.Fooled(*logits, active.rows).cpu();

  std::vector<int64_t> better;
  for (int64_t i = 0; i < result_rows.size(0); ++i) {
    const int64_t row = active.result_rows.data_ptr<int64_t>()[i];
    const float margin = margins.data_ptr<float>()[i];
    float& before = search.margins[row];
    // A candidate that fools is taken whatever its margin, as its image leaves
    // the search with it.
    if (margin < before || fooled.data_ptr<bool>()[i]) {
      before = margin;
      better.push_back(i);
    } else {
      search.proposals->TakeBack(row);
    }
  }
  // Every margin is below infinity, so the start is taken for all images.
  if (query == 0) {
    search.logits = logits->clone();
  } else {
    const at::Tensor chosen = at::tensor(better, at::kLong).to(device);
    search.logits.index_copy_(0, result_rows.index_select(0, chosen),
                              logits->index_select(0, chosen));
  }
  search.squares.index_fill_(0, active.result_rows, query);
  if (fooled.any().item<bool>()) {
    active.Keep(PositionsOf(fooled.logical_not()));
  }
  return absl::OkStatus();
}

}  // namespace

std::unique_ptr<const Attack> MakeSquare(const SquareConfig& config) {
  return std::make_unique<Square>(config);
}

double SquareShare(double initial_share, int64_t query, int64_t queries) {
  constexpr int64_t kMilestones[] = {10,   50,   200,  500, 1000,
                                     2000, 4000, 6000, 8000};
  // Whole numbers, so that no rounding moves a milestone.
  double share = initial_share;
  for (int64_t milestone : kMilestones) {
    if (query * 10000 / queries > milestone) share /= 2;
  }
  return share;
}

}  // namespace adv
