#include "server/cost.h"

#include <algorithm>
#include <limits>
#include <variant>

namespace adv {
namespace {

constexpr int64_t kForward = 1;
constexpr int64_t kGradient = 2;
constexpr int64_t kMost = std::numeric_limits<int64_t>::max() / 4096;

struct PassesOf {
  const std::vector<double>& epsilons;

  // One gradient for all epsilons, one verdict each.
  double operator()(const FgsmConfig&) const {
    return kGradient + static_cast<double>(epsilons.size()) * kForward;
  }
  // A gradient a step, one verdict each.
  double operator()(const IgsmConfig& config) const {
    double passes = 0;
    for (double epsilon : epsilons) {
      passes += kGradient * static_cast<double>(IgsmSteps(config, epsilon)) +
                kForward;
    }
    return passes;
  }
};

int64_t Saturated(double passes) {
  return static_cast<int64_t>(std::min(passes, static_cast<double>(kMost)));
}

}  // namespace

int64_t AttackCost(const AttackConfig& attack,
                   const std::vector<double>& epsilons) {
  return Saturated(kForward + std::visit(PassesOf{epsilons}, attack));
}

int64_t EvaluationCost(const EvaluationPlan& plan) {
  double cost = kForward;
  for (const AttackConfig& attack : plan.attacks) {
    cost += static_cast<double>(AttackCost(attack, plan.epsilons));
  }
  return Saturated(cost);
}

}  // namespace adv
