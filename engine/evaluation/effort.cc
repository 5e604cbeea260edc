#include "engine/evaluation/effort.h"

#include <algorithm>
#include <functional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace adv {
namespace {

// Counts of which more can only help, and the rest of a config.
template <typename... Rest>
struct Parts {
  std::vector<int64_t> counts;
  std::tuple<Rest...> rest;
};

template <typename... Rest>
Parts<Rest...> MakeParts(std::vector<int64_t> counts, Rest... rest) {
  return {std::move(counts), {std::move(rest)...}};
}

auto Split(const FgsmConfig& c, double) { return MakeParts({}, c.thesis_mode); }
auto Split(const IgsmConfig& c, double epsilon) {
  return MakeParts({IgsmSteps(c.steps, epsilon)}, c.step_size);
}
auto Split(const IterativeLeastLikelyConfig& c, double epsilon) {
  return MakeParts({IgsmSteps(c.steps, epsilon)}, c.step_size);
}
auto Split(const PgdConfig& c, double) {
  return MakeParts({c.steps, c.restarts}, c.step_size, c.random_start);
}
auto Split(const MiFgsmConfig& c, double) {
  return MakeParts({c.steps}, c.step_size, c.momentum);
}
auto Split(const ApgdConfig& c, double) {
  return MakeParts({c.steps, c.restarts, c.target_classes}, c.loss);
}
auto Split(const DeepFoolConfig& c, double) {
  return MakeParts({c.steps}, c.overshoot);
}
auto Split(const CarliniWagnerConfig& c, double) {
  return MakeParts({c.steps, c.binary_search_steps}, c.learning_rate,
                   c.initial_constant, c.confidence);
}
auto Split(const FabConfig& c, double) {
  return MakeParts({c.steps, c.restarts, c.target_classes}, c.alpha_max, c.eta,
                   c.beta, c.target_classes == 0);
}
auto Split(const SquareConfig& c, double) {
  return MakeParts({c.queries, c.restarts}, c.initial_share);
}
auto Split(const HopSkipJumpConfig& c, double) {
  return MakeParts({c.queries});
}
auto Split(const BoundaryConfig& c, double) { return MakeParts({c.queries}); }
auto Split(const NoiseConfig& c, double) {
  return MakeParts({c.repeats}, c.distribution);
}

}  // namespace

bool IsMoreOf(const AttackConfig& more, const AttackConfig& less,
              double epsilon) {
  return std::visit(
      [&](const auto& config) {
        using Config = std::decay_t<decltype(config)>;
        // Its members compare with those of another only one by one.
        if constexpr (std::is_same_v<Config, AutoAttackConfig>) {
          return false;
        } else {
          const auto* const other = std::get_if<Config>(&less);
          if (other == nullptr) return false;
          const auto ours = Split(config, epsilon);
          const auto theirs = Split(*other, epsilon);
          return ours.rest == theirs.rest && ours.counts != theirs.counts &&
                 std::equal(ours.counts.begin(), ours.counts.end(),
                            theirs.counts.begin(), std::greater_equal<>());
        }
      },
      more);
}

}  // namespace adv
