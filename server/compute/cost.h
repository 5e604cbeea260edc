#ifndef ADV_SERVER_COMPUTE_COST_H_
#define ADV_SERVER_COMPUTE_COST_H_

#include <cstdint>
#include <vector>

#include "engine/attacks/attack_config.h"
#include "engine/evaluation/evaluation.h"

namespace adv {

// What work costs, in forward passes over one image: a forward is 1, a
// gradient 2. An upper bound; saturates instead of overflowing.

inline constexpr int64_t kForwardCost = 1;
inline constexpr int64_t kGradientCost = 2;

// Classifying one image.
inline constexpr int64_t kClassifyCost = kForwardCost;

// One image of a model with `classes` under one attack at all of `epsilons`,
// the verdicts and the clean forward included.
int64_t AttackCost(const AttackConfig& attack,
                   const std::vector<double>& epsilons, int64_t classes);

// One image of an evaluation.
int64_t EvaluationCost(const EvaluationPlan& plan, int64_t classes);

}  // namespace adv

#endif  // ADV_SERVER_COMPUTE_COST_H_
