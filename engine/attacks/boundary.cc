#include "engine/attacks/boundary.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/attacks/decision_attack.h"

namespace adv {
namespace {

// The share of yes among the answers to one kind of question, counted over
// windows of `window` questions.
class Rate {
 public:
  explicit Rate(int64_t window) : window_(window) {}

  void Add(bool yes) {
    if (asked_ == window_) asked_ = yes_ = 0;
    ++asked_;
    yes_ += yes ? 1 : 0;
  }
  // At the end of a window, the factor for a step that brings the rate back
  // into [low, high]. Before the end, 1.
  double Factor(double low, double high) const {
    constexpr double kAdaptation = 1.5;
    if (asked_ < window_) return 1;
    const double rate = static_cast<double>(yes_) / window_;
    if (rate > high) return kAdaptation;
    return rate < low ? 1 / kAdaptation : 1;
  }

 private:
  const int64_t window_;
  int64_t asked_ = 0, yes_ = 0;
};

class BoundaryWalk final : public DecisionWalk {
 public:
  explicit BoundaryWalk(const DecisionTask& task) : DecisionWalk(task) {}

 private:
  enum class Phase { kAround, kNearer };

  void Begin() override {
    distance_ = DistanceOf(current());
    if (distance_ == 0) End();  // it started at the original itself
  }

  void ProposeNext(std::vector<float>& image) override {
    if (phase_ == Phase::kAround) {
      GoAround(image);
    } else {
      GoNearer(image);
    }
  }

  void LearnNext(bool fools) override {
    if (phase_ == Phase::kAround) {
      around_rate_.Add(fools);
      // As in the authors' code, these answers adapt both steps: they tell how
      // flat the boundary is, which limits both.
      const double factor = around_rate_.Factor(0.2, 0.5);
      around_ *= factor;
      nearer_ *= factor;
      // The walk itself does not move onto the sphere, where it would be no
      // nearer.
      if (fools) {
        sphere_ = proposed();
        phase_ = Phase::kNearer;
      }
    } else {
      nearer_rate_.Add(fools);
      nearer_ *= nearer_rate_.Factor(0.1, 0.25);
      const double distance = DistanceOf(proposed());
      // The proposal is nearer by construction, but float32 rounding can undo
      // that.
      if (fools && distance < distance_) {
        MoveToProposed();
        distance_ = distance;
      }
      phase_ = Phase::kAround;
    }
    constexpr double kConverged = 1e-7;
    if (nearer_ < kConverged) End();
  }

  // Writes a random image on the sphere whose centre is the original and which
  // passes through current().
  void GoAround(std::vector<float>& image) const {
    const float* original = task().original;
    const at::Tensor drawn =
        DrawNormal(ProposalKey(), {task().sample}, task().values());
    const float* noise = drawn.data_ptr<float>();
    const auto outward = [&](size_t i) {
      return static_cast<double>(current()[i]) - original[i];
    };
    // Takes out the noise's part along the line to the original. What is left
    // is tangent to the sphere.
    double along = 0;
    for (size_t i = 0; i < image.size(); ++i) along += noise[i] * outward(i);
    along /= distance_ * distance_;
    double squares = 0;
    for (size_t i = 0; i < image.size(); ++i) {
      const double tangent = noise[i] - along * outward(i);
      squares += tangent * tangent;
    }
    const double scale =
        around_ * distance_ / std::sqrt(std::max(squares, 1e-30));
    // The tangent step leaves the sphere; by Pythagoras this factor leads back.
    const double back = 1 / std::sqrt(1 + around_ * around_);
    for (size_t i = 0; i < image.size(); ++i) {
      const double tangent = noise[i] - along * outward(i);
      const double moved = outward(i) + scale * tangent;
      image[i] =
          static_cast<float>(std::clamp(original[i] + back * moved, 0.0, 1.0));
    }
  }

  // Moves from `sphere_` toward the original, to (1 - nearer_) of current()'s
  // distance. Where the box has brought `sphere_` nearer than that already, it
  // stays there.
  void GoNearer(std::vector<float>& image) const {
    const double reach = DistanceOf(sphere_);
    const double share =
        std::clamp((1 - nearer_) * distance_ / std::max(reach, 1e-30), 0., 1.);
    const float* original = task().original;
    for (size_t i = 0; i < image.size(); ++i) {
      const double change = static_cast<double>(sphere_[i]) - original[i];
      image[i] = static_cast<float>(original[i] + share * change);
    }
  }

  Phase phase_ = Phase::kAround;
  double distance_ = 0;  // of current()
  // The steps, as shares of the distance.
  double around_ = 0.1, nearer_ = 0.05;
  Rate around_rate_{10}, nearer_rate_{5};
  std::vector<float> sphere_;  // an image on the sphere that fools
};

class Boundary final : public DecisionAttack {
 public:
  explicit Boundary(const BoundaryConfig& config)
      : DecisionAttack(TraitsOf(config), config.queries) {}

 private:
  std::unique_ptr<DecisionWalk> StartWalk(
      const DecisionTask& task) const override {
    return std::make_unique<BoundaryWalk>(task);
  }
};

}  // namespace

std::unique_ptr<const Attack> MakeBoundary(const BoundaryConfig& config) {
  return std::make_unique<Boundary>(config);
}

}  // namespace adv
