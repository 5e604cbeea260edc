#include "server/compute/speeds.h"

#include <cstddef>

namespace adv {
namespace {

// The weight of the newest job.
constexpr double kNewest = .2;
// Models come and go for as long as the server runs: the map must not grow
// without end.
constexpr size_t kMostModels = 1000;

// Moves the mean towards `newest`. 0 means that nothing was measured yet.
void Blend(double newest, double* speed) {
  *speed = *speed == 0 ? newest : (1 - kNewest) * *speed + kNewest * newest;
}

}  // namespace

void Speeds::Measure(const std::string& model, double cost_per_second) {
  Blend(cost_per_second, &all_);
  // Speeds that are forgotten are soon measured again.
  if (by_model_.size() == kMostModels && by_model_.count(model) == 0) {
    by_model_.clear();
  }
  Blend(cost_per_second, &by_model_[model]);
}

Speed Speeds::Of(const std::string& model) const {
  const auto found = by_model_.find(model);
  // A model that was never measured is taken to be as fast as the others.
  return found == by_model_.end() ? Speed{all_, false}
                                  : Speed{found->second, true};
}

}  // namespace adv
