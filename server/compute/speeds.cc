#include "server/compute/speeds.h"

#include <cstddef>

namespace adv {
namespace {

// The weight of the newest job.
constexpr double kNewest = .2;
// Models come and go for as long as the server runs: the map must not grow
// without end.
constexpr size_t kMostModels = 1000;

}  // namespace

void Speeds::Mean::Add(double new_cost, double new_seconds) {
  const double weight = seconds == 0 ? 1 : kNewest;
  cost += weight * (new_cost - cost);
  seconds += weight * (new_seconds - seconds);
}

void Speeds::Measure(const std::string& model, double cost, double seconds) {
  all_.Add(cost, seconds);
  // Speeds that are forgotten are soon measured again.
  if (by_model_.size() == kMostModels && by_model_.count(model) == 0) {
    by_model_.clear();
  }
  by_model_[model].Add(cost, seconds);
}

Speed Speeds::Of(const std::string& model) const {
  const auto found = by_model_.find(model);
  // A model that was never measured is taken to be as fast as the others.
  return found == by_model_.end() ? Speed{all_.speed(), false}
                                  : Speed{found->second.speed(), true};
}

}  // namespace adv
