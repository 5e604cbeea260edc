#ifndef ADV_ENGINE_EVALUATION_PLAN_H_
#define ADV_ENGINE_EVALUATION_PLAN_H_

#include <absl/status/status.h>

#include <cstdint>
#include <vector>

#include "engine/attacks/attack_config.h"
#include "engine/attacks/attack_run.h"
#include "engine/attacks/threat_model.h"

namespace adv {

// The plan of an evaluation: every attack at every epsilon.
struct EvaluationPlan {
  std::vector<AttackConfig> attacks;
  Norm norm = Norm::kLinf;
  std::vector<double> epsilons;
  Goal goal;
  SuccessRule success = SuccessRule::kLastIterate;
  bool eight_bit = false;
  Precision precision = Precision::kFloat32;
  uint64_t seed = 0;
  // The largest number of images that are attacked together, in [1, 1024]. On a
  // device other than the CPU it is always this number (the last tile is
  // padded), so that an image's numbers depend on nothing else.
  int64_t tile_size = 128;
};

// INVALID_ARGUMENT with every violation, each naming field, value and range.
absl::Status Validate(const EvaluationPlan& plan,
                      const std::vector<int64_t>& image_shape, int64_t classes);

// The options for a run of one of the plan's attacks; before_pass is unset.
RunOptions RunOptionsOf(const EvaluationPlan& plan);

}  // namespace adv

#endif  // ADV_ENGINE_EVALUATION_PLAN_H_
