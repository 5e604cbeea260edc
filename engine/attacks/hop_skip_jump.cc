#include "engine/attacks/hop_skip_jump.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/attacks/decision_attack.h"

namespace adv {
namespace {

float ToPixel(double value) {
  return static_cast<float>(std::clamp(value, 0.0, 1.0));
}

class HopSkipJumpWalk final : public DecisionWalk {
 public:
  explicit HopSkipJumpWalk(const DecisionTask& task)
      : DecisionWalk(task),
        dimensions_(static_cast<double>(task.values())),
        theta_(task.norm == Norm::kLinf
                   ? 1 / (dimensions_ * dimensions_)
                   : 1 / (dimensions_ * std::sqrt(dimensions_))),
        normal_(task.values()) {}

 private:
  enum class Phase { kToBoundary, kEstimate, kStep };

  void Begin() override { GoToBoundary(); }

  void ProposeNext(std::vector<float>& image) override {
    switch (phase_) {
      case Phase::kToBoundary:
        Project((low_ + high_) / 2, image);
        break;
      case Phase::kEstimate:
        LookAround(image);
        break;
      case Phase::kStep:
        for (size_t i = 0; i < image.size(); ++i) {
          image[i] = ToPixel(current()[i] + step_ * normal_[i]);
        }
        break;
    }
  }

  void LearnNext(bool fools) override {
    switch (phase_) {
      case Phase::kToBoundary:
        (fools ? high_ : low_) = (low_ + high_) / 2;
        if (fools) MoveToProposed();
        if (high_ - low_ <= precision_) StartEstimate();
        break;
      case Phase::kEstimate:
        AddToEstimate(fools);
        break;
      case Phase::kStep:
        if (fools) {
          MoveToProposed();
          GoToBoundary();
        } else {
          // At last the image is current() itself, which fools, so the
          // halving ends.
          step_ /= 2;
        }
        break;
    }
  }

  // Starts the binary search between the original and current(), which becomes
  // `outer_`.
  void GoToBoundary() {
    outer_ = current();
    outer_distance_ = DistanceOf(outer_);
    low_ = 0;
    high_ = 1;
    precision_ = theta_;
    // L-inf searches over distances and not over shares of the way, and theta
    // is relative to them.
    if (task().norm == Norm::kLinf) {
      high_ = outer_distance_;
      precision_ *= std::min(outer_distance_, 1.0);
    }
    phase_ = Phase::kToBoundary;
    if (high_ - low_ <= precision_) StartEstimate();
  }

  // Writes the image `share` of the way from the original to `outer_` (L-inf:
  // the image at distance `share`).
  void Project(double share, std::vector<float>& image) const {
    const float* original = task().original;
    for (size_t i = 0; i < image.size(); ++i) {
      const double change = static_cast<double>(outer_[i]) - original[i];
      image[i] = ToPixel(original[i] + (task().norm == Norm::kLinf
                                            ? std::clamp(change, -share, share)
                                            : share * change));
    }
  }

  void StartEstimate() {
    ++iteration_;
    const double root = std::sqrt(dimensions_);
    if (iteration_ == 1) {
      delta_ = 0.1;
    } else {
      const double scale = task().norm == Norm::kLinf ? dimensions_ : root;
      // Keeps a pixel's change at several steps of float32.
      constexpr double kSmallestChange = 0x1p-20;
      delta_ =
          std::max(scale * theta_ * outer_distance_, root * kSmallestChange);
    }
    // The queries to keep for the step, which may halve a few times, and for
    // the binary search after it.
    const auto after = static_cast<int64_t>(std::ceil(-std::log2(theta_))) + 5;
    constexpr double kFirst = 100;
    constexpr int64_t kMost = 10000;
    looks_ = std::min({static_cast<int64_t>(kFirst * std::sqrt(iteration_)),
                       kMost, queries_left() - after});
    if (looks_ < 1) {
      End();
      return;
    }
    looked_ = fooled_ = 0;
    sum_.assign(normal_.size(), 0);
    fooling_sum_.assign(normal_.size(), 0);
    phase_ = Phase::kEstimate;
  }

  // Writes the image at distance `delta_` from current() in a random direction.
  void LookAround(std::vector<float>& image) const {
    const auto draw = task().norm == Norm::kLinf ? &DrawUniform : &DrawNormal;
    at::Tensor drawn = draw(ProposalKey(), {task().sample}, task().values());
    if (task().norm == Norm::kLinf) drawn.mul_(2).sub_(1);
    const float* direction = drawn.data_ptr<float>();
    double squares = 0;
    for (size_t i = 0; i < image.size(); ++i) {
      squares += static_cast<double>(direction[i]) * direction[i];
    }
    const double scale = delta_ / std::sqrt(std::max(squares, 1e-30));
    for (size_t i = 0; i < image.size(); ++i) {
      image[i] = ToPixel(current()[i] + scale * direction[i]);
    }
  }

  // Adds the direction from current() to the image asked about, which the box
  // may have clipped.
  void AddToEstimate(bool fools) {
    ++looked_;
    fooled_ += fools ? 1 : 0;
    for (size_t i = 0; i < sum_.size(); ++i) {
      const double direction =
          static_cast<double>(proposed()[i]) - current()[i];
      sum_[i] += direction;
      if (fools) fooling_sum_[i] += direction;
    }
    if (looked_ == looks_) StartStep();
  }

  // The paper's equation 16. Phi is 1 where the image fools and -1 elsewhere;
  // the normal is the mean of (phi - mean phi) direction, at length 1. If phi
  // is the same everywhere, that would be 0, so the mean of phi direction
  // serves instead.
  void StartStep() {
    const double share = static_cast<double>(fooled_) / looks_;
    double squares = 0;
    for (size_t i = 0; i < sum_.size(); ++i) {
      if (fooled_ == looks_) {
        normal_[i] = sum_[i];
      } else if (fooled_ == 0) {
        normal_[i] = -sum_[i];
      } else {
        normal_[i] = fooling_sum_[i] - share * sum_[i];
      }
      squares += normal_[i] * normal_[i];
    }
    // The least length prevents 0 / 0 where the directions add up to nothing.
    const double length = std::sqrt(std::max(squares, 1e-300));
    for (double& value : normal_) {
      value = task().norm == Norm::kLinf ? (value > 0) - (value < 0)
                                         : value / length;
    }
    // The authors' first step size; LearnNext halves it until the image fools.
    step_ = DistanceOf(current()) / std::sqrt(iteration_);
    phase_ = Phase::kStep;
  }

  const double dimensions_, theta_;
  Phase phase_ = Phase::kToBoundary;
  int64_t iteration_ = 0;
  // To the boundary.
  std::vector<float> outer_;  // an image that fools
  double outer_distance_ = 0, low_ = 0, high_ = 1, precision_ = 0;
  // The estimate.
  double delta_ = 0;
  int64_t looks_ = 0, looked_ = 0, fooled_ = 0;
  std::vector<double> sum_, fooling_sum_;  // of the directions
  // The step.
  std::vector<double> normal_;
  double step_ = 0;
};

class HopSkipJump final : public DecisionAttack {
 public:
  explicit HopSkipJump(const HopSkipJumpConfig& config)
      : DecisionAttack(TraitsOf(config), config.queries) {}

 private:
  std::unique_ptr<DecisionWalk> StartWalk(
      const DecisionTask& task) const override {
    return std::make_unique<HopSkipJumpWalk>(task);
  }
};

}  // namespace

std::unique_ptr<const Attack> MakeHopSkipJump(const HopSkipJumpConfig& config) {
  return std::make_unique<HopSkipJump>(config);
}

}  // namespace adv
