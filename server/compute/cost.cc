#include "server/compute/cost.h"

#include <algorithm>
#include <limits>
#include <variant>

namespace adv {
namespace {

// Far below the largest number, so that sums of many costs stay in range.
constexpr int64_t kMost = std::numeric_limits<int64_t>::max() / 4096;

double Number(int64_t count) { return static_cast<double>(count); }

// Passes over one image. An attack may stop before its last step or query, but
// what it will save is not known beforehand: all of them count.
struct PassesOf {
  const std::vector<double>& epsilons;
  int64_t classes;

  double ForEachEpsilon(double passes) const {
    return passes * Number(static_cast<int64_t>(epsilons.size()));
  }
  // A walk of some steps: a gradient for each step, and a forward for the
  // verdict.
  static double Walk(int64_t steps) {
    return kGradientCost * Number(steps) + kForwardCost;
  }
  // Steps that are not given grow with epsilon, so each epsilon is summed by
  // itself.
  double IgsmWalks(const std::optional<int64_t>& steps) const {
    double passes = 0;
    for (double epsilon : epsilons) passes += Walk(IgsmSteps(steps, epsilon));
    return passes;
  }
  // An image has no more targets than there are other classes.
  int64_t Targets(int64_t wanted) const {
    return std::min(wanted, classes - 1);
  }

  // One gradient for all epsilons, one verdict each.
  double operator()(const FgsmConfig&) const {
    return kGradientCost + ForEachEpsilon(kForwardCost);
  }
  double operator()(const IgsmConfig& config) const {
    return IgsmWalks(config.steps);
  }
  double operator()(const IterativeLeastLikelyConfig& config) const {
    return IgsmWalks(config.steps);
  }
  double operator()(const PgdConfig& config) const {
    return ForEachEpsilon(Number(config.restarts) * Walk(config.steps));
  }
  double operator()(const MiFgsmConfig& config) const {
    return ForEachEpsilon(Walk(config.steps));
  }
  double operator()(const ApgdConfig& config) const {
    // Targeted DLR makes a run for each target class.
    const bool each = config.loss == ApgdConfig::Loss::kTargetedDlr;
    // One more step: APGD evaluates its start, too.
    return ForEachEpsilon(Number(config.restarts) *
                          Number(each ? Targets(config.target_classes) : 1) *
                          Walk(config.steps + 1));
  }
  // Minimising attacks run once, whatever the epsilons. DeepFool takes one
  // gradient for each class and step.
  double operator()(const DeepFoolConfig& config) const {
    return kGradientCost * Number(config.steps) * Number(classes);
  }
  double operator()(const CarliniWagnerConfig& config) const {
    return Number(config.binary_search_steps) * Walk(config.steps);
  }
  double operator()(const FabConfig& config) const {
    // Untargeted FAB takes a gradient for each class in a step. FAB-T takes one
    // alone, but makes a walk for each target.
    const bool each = config.target_classes > 0;
    const double step =
        kGradientCost * Number(each ? 1 : classes) + kForwardCost;
    return Number(config.restarts) *
           Number(each ? Targets(config.target_classes) : 1) *
           Number(config.steps) * step;
  }
  // A query is a forward.
  double operator()(const SquareConfig& config) const {
    return ForEachEpsilon(kForwardCost * Number(config.restarts) *
                          Number(config.queries));
  }
  double operator()(const HopSkipJumpConfig& config) const {
    return kForwardCost * Number(config.queries);
  }
  double operator()(const BoundaryConfig& config) const {
    return kForwardCost * Number(config.queries);
  }
  double operator()(const NoiseConfig& config) const {
    return ForEachEpsilon(kForwardCost * Number(config.repeats));
  }
  double operator()(const AutoAttackConfig& config) const {
    double passes = 0;
    for (const AnyAttack& member : MembersOf(config)) {
      // Members run only on the images that still stand. The bound counts all
      // images for each.
      passes += std::visit(*this, member.config);
    }
    return passes;
  }
};

// The sums are doubles because products of large options overflow integers.
int64_t Saturated(double passes) {
  return static_cast<int64_t>(std::min(passes, static_cast<double>(kMost)));
}

}  // namespace

int64_t AttackCost(const AttackConfig& attack,
                   const std::vector<double>& epsilons, int64_t classes) {
  return Saturated(kForwardCost +
                   std::visit(PassesOf{epsilons, classes}, attack));
}

int64_t EvaluationCost(const EvaluationPlan& plan, int64_t classes) {
  double cost = kForwardCost;
  for (const AttackConfig& attack : plan.attacks) {
    cost += static_cast<double>(AttackCost(attack, plan.epsilons, classes));
  }
  return Saturated(cost);
}

}  // namespace adv
