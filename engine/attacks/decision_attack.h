#ifndef ADV_ENGINE_ATTACKS_DECISION_ATTACK_H_
#define ADV_ENGINE_ATTACKS_DECISION_ATTACK_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/attacks/minimising.h"
#include "engine/attacks/random.h"

namespace adv {

// The task of one walk.
struct DecisionTask {
  // In the box. This and all images here lie in memory by row, column and then
  // channel.
  const float* original = nullptr;
  int64_t channels = 0, height = 0, width = 0;
  Norm norm = Norm::kL2;
  int64_t queries = 0;  // a hard limit
  uint64_t seed = 0;
  int64_t sample = 0;  // the key of its draws, with the seed
  // Images to start from, in the order in which they are tried; as `original`.
  std::vector<const float*> starts = {};

  int64_t values() const { return channels * height * width; }
};

// The walk of one image along the decision boundary. It asks questions, and
// each answer says whether an image fools. It knows nothing else of the model
// and nothing of other images, so that walks side by side go as walks alone.
//
// A walk starts at an image that fools: the first of the task's starts that
// does, or else random noise. A binary search moves it toward the original,
// until its share is known to a thousandth, as in both papers. A network often
// takes noise of single pixels, as in the papers, for one and the same class.
// Where such noise does not fool, the walk tries noise of blocks of 2, 4, ...
// pixels, and then begins with single pixels again, at most 10,000 times as in
// HopSkipJump's reference. After that it is over.
//
// Not thread-safe.
class DecisionWalk {
 public:
  // `task.original` must outlive it.
  explicit DecisionWalk(const DecisionTask& task);
  virtual ~DecisionWalk() = default;
  DecisionWalk(const DecisionWalk&) = delete;
  DecisionWalk& operator=(const DecisionWalk&) = delete;

  // The next image to ask about, in the box. Not to be called once over(). A
  // call of Learn must follow each call.
  const std::vector<float>& Propose();
  void Learn(bool fools);
  bool over() const { return over_; }

 protected:
  // The steps of the walk after the start. Begin is called once, when current()
  // fools.
  virtual void Begin() = 0;
  virtual void ProposeNext(std::vector<float>& image) = 0;
  virtual void LearnNext(bool fools) = 0;

  const DecisionTask& task() const { return task_; }
  int64_t queries_left() const { return queries_left_; }
  // The key of the draws for the next question.
  RandomKey ProposalKey() const;
  double DistanceOf(const std::vector<float>& image) const;  // to the original
  const std::vector<float>& proposed() const { return proposed_; }
  // Where the walk is: an image that fools.
  const std::vector<float>& current() const { return current_; }
  // Goes on from the image last proposed, which must fool.
  void MoveToProposed() { current_ = proposed_; }
  void End() { over_ = true; }

 private:
  enum class Phase { kSeek, kBlend, kWalk };

  // Proposes one of the starts, or noise once all were tried.
  void ProposeStart();
  void ProposeNoise(int64_t attempt);

  const DecisionTask task_;
  int64_t queries_left_;
  Phase phase_ = Phase::kSeek;
  int64_t tries_ = 0;
  std::vector<float> outer_;          // blended with the original
  double blend_low_ = 0, blend_ = 1;  // shares of it; `blend_` fools
  std::vector<float> proposed_, current_;
  bool over_ = false;
};

// A minimising attack that learns the class of an image and nothing else, at
// most `queries` times. It asks about one image of each walk in a pass, and
// keeps the nearest image of all that fool. For 8-bit results, the last of the
// queries are left for the way to the lattice. For a transfer, all questions go
// to the source, and the last query is left for the target's verdict.
// Iterations are the number of queries until the image was found. On the way to
// a target, a walk starts at the batch's examples of that class, the nearest
// first.
class DecisionAttack : public MinimisingAttack {
 public:
  DecisionAttack(const AttackTraits& traits, int64_t queries)
      : MinimisingAttack(traits), queries_(queries) {}

 private:
  struct Active;
  struct Views;

  virtual std::unique_ptr<DecisionWalk> StartWalk(
      const DecisionTask& task) const = 0;

  absl::StatusOr<Nearest> FindNearest(AttackedModel& model,
                                      const AttackBatch& batch,
                                      const RunOptions& options) const final;

  // Starts a walk for each of the images at `rows` [M] int64 on the CPU.
  Active StartWalks(const at::Tensor& rows, int64_t queries,
                    const AttackBatch& batch, const Views& views,
                    const RunOptions& options) const;

  const int64_t queries_;
};

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_DECISION_ATTACK_H_
