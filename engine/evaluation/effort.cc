#include "engine/evaluation/effort.h"

#include <cstdint>
#include <type_traits>

namespace adv {
namespace {

// Compares the parameters of two configs of one attack, pair by pair. One pair
// in which the first is less makes the configs incomparable.
class Comparison {
 public:
  explicit Comparison(double epsilon) : epsilon_(epsilon) {}

  void operator()(const parameter::Count& /*described*/,
                  const parameter::Count& more, const parameter::Count& less) {
    Compare(more, less);
    // 0 selects another way to go, so it is not less of anything.
    if ((more == 0) != (less == 0)) comparable_ = false;
  }
  // Steps that are not set follow from epsilon; what counts is their number.
  void operator()(const parameter::OptionalCount& /*described*/,
                  const parameter::OptionalCount& more,
                  const parameter::OptionalCount& less) {
    Compare(IgsmSteps(more, epsilon_), IgsmSteps(less, epsilon_));
  }
  // A parameter that is no count must be the same on both sides.
  template <typename Kind>
  void operator()(const Kind& /*described*/, const Kind& more,
                  const Kind& less) {
    if (more.value() != less.value()) comparable_ = false;
  }

  bool IsMore() const { return comparable_ && some_more_; }

 private:
  void Compare(int64_t more, int64_t less) {
    if (more < less) comparable_ = false;
    if (more > less) some_more_ = true;
  }

  const double epsilon_;
  bool comparable_ = true;
  bool some_more_ = false;
};

}  // namespace

bool IsMoreOf(const AttackConfig& more, const AttackConfig& less,
              double epsilon) {
  return std::visit(
      [&](const auto& config) {
        using Config = std::decay_t<decltype(config)>;
        // An AutoAttack has members, and only members can be compared.
        if constexpr (std::is_same_v<Config, AutoAttackConfig>) {
          return false;
        } else {
          const auto* const other = std::get_if<Config>(&less);
          if (other == nullptr) return false;
          Comparison comparison(epsilon);
          parameter::ForEach(config, *other, comparison);
          return comparison.IsMore();
        }
      },
      more);
}

}  // namespace adv
