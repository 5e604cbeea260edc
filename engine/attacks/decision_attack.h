#ifndef ADV_ENGINE_ATTACKS_DECISION_ATTACK_H_
#define ADV_ENGINE_ATTACKS_DECISION_ATTACK_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/attacks/minimising.h"
#include "engine/attacks/random.h"

namespace adv {

// What a walk is about.
struct DecisionTask {
  // In the box; as all images here by row, column and then channel.
  const float* original = nullptr;
  int64_t channels = 0, height = 0, width = 0;
  Norm norm = Norm::kL2;
  int64_t queries = 0;  // a hard limit
  uint64_t seed = 0;
  int64_t sample = 0;  // what draws are keyed by
  // Images where the way may begin, in the order to be tried; as `original`.
  std::vector<const float*> starts = {};

  int64_t values() const { return channels * height * width; }
};

// The way of one image along the decision boundary, by questions that are
// answered with whether an image fools. It knows nothing else of the model and
// nothing of other images, so that walks side by side are as walks alone.
//
// It starts at an image that fools, moved toward the original by a binary
// search of its share down to a thousandth, as in both papers: at the first of
// the task's starts that does, or else at random noise. Noise of single pixels,
// as in the papers, is often one class to a network; where it does not fool, it
// is tried with blocks of 2, 4, ... pixels, then from the start again, at most
// 10,000 times as in HopSkipJump's reference; then the walk is over.
//
// Not thread-safe.
class DecisionWalk {
 public:
  // `task.original` must outlive it.
  explicit DecisionWalk(const DecisionTask& task);
  virtual ~DecisionWalk() = default;
  DecisionWalk(const DecisionWalk&) = delete;
  DecisionWalk& operator=(const DecisionWalk&) = delete;

  // The next image to ask about, in the box; not once over(). Each call is
  // followed by one of Learn.
  const std::vector<float>& Propose();
  void Learn(bool fools);
  bool over() const { return over_; }

 protected:
  // The walk proper. Begin is called once, when current() fools.
  virtual void Begin() = 0;
  virtual void ProposeNext(std::vector<float>& image) = 0;
  virtual void LearnNext(bool fools) = 0;

  const DecisionTask& task() const { return task_; }
  int64_t queries_left() const { return queries_left_; }
  // Key of what is drawn for the next question.
  RandomKey ProposalKey() const;
  double DistanceOf(const std::vector<float>& image) const;  // to the original
  const std::vector<float>& proposed() const { return proposed_; }
  // Where the walk is: an image that fools.
  const std::vector<float>& current() const { return current_; }
  // The image last proposed, which fools, is where the walk goes on.
  void MoveToProposed() { current_ = proposed_; }
  void End() { over_ = true; }

 private:
  enum class Phase { kSeek, kBlend, kWalk };

  // A start, or noise once all were tried.
  void ProposeStart();
  void ProposeNoise(int64_t attempt);

  const DecisionTask task_;
  int64_t queries_left_;
  Phase phase_ = Phase::kSeek;
  int64_t tries_ = 0;
  std::vector<float> outer_;          // what is blended with the original
  double blend_low_ = 0, blend_ = 1;  // shares of it: `blend_` fools
  std::vector<float> proposed_, current_;
  bool over_ = false;
};

// A minimising attack that learns the class of an image and nothing else, at
// most `queries` times. It asks about one image of each walk in a pass, and
// keeps the nearest of all that fool. 8-bit results: the last of the queries
// are left for the way to the lattice. For transfer, all questions go to the
// source; the target's verdict comes on top. Iterations are the queries until
// the image was found. On the way to a target it starts at the batch's examples
// of that class, the nearest first.
class DecisionAttack : public MinimisingAttack {
 public:
  DecisionAttack(const AttackTraits& traits, int64_t queries)
      : MinimisingAttack(traits), queries_(queries) {}

 private:
  struct Walker;
  struct Views;

  virtual std::unique_ptr<DecisionWalk> StartWalk(
      const DecisionTask& task) const = 0;

  absl::StatusOr<Nearest> FindNearest(AttackedModel& model,
                                      const AttackBatch& batch,
                                      const RunOptions& options) const final;

  // A walk for each of the images at `rows` [M] int64 on the CPU.
  std::vector<Walker> StartWalks(const at::Tensor& rows, int64_t queries,
                                 const AttackBatch& batch, const Views& views,
                                 const RunOptions& options) const;

  const int64_t queries_;
};

}  // namespace adv

#endif  // ADV_ENGINE_ATTACKS_DECISION_ATTACK_H_
