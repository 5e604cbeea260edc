#ifndef ADV_ENGINE_TRAINING_EARLY_STOPPING_H_
#define ADV_ENGINE_TRAINING_EARLY_STOPPING_H_

#include <cstdint>
#include <limits>

namespace adv {

// Keras's rule: stop once the loss has not fallen by more than `min_delta`
// below its best for `patience` epochs in a row. A value.
class EarlyStopping {
 public:
  // patience 0: never stops.
  EarlyStopping(int64_t patience, double min_delta)
      : patience_(patience), min_delta_(min_delta) {}

  // The validation loss of the next epoch.
  void Observe(double loss) {
    if (loss + min_delta_ < best_) {
      best_ = loss;
      epochs_without_improvement_ = 0;
    } else {
      ++epochs_without_improvement_;
    }
  }

  bool should_stop() const {
    return patience_ > 0 && epochs_without_improvement_ >= patience_;
  }

 private:
  int64_t patience_;
  double min_delta_;
  double best_ = std::numeric_limits<double>::infinity();
  int64_t epochs_without_improvement_ = 0;
};

}  // namespace adv

#endif  // ADV_ENGINE_TRAINING_EARLY_STOPPING_H_
