#ifndef ADV_ENGINE_EVALUATION_PAIR_COUNTS_H_
#define ADV_ENGINE_EVALUATION_PAIR_COUNTS_H_

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

namespace adv {

// Counts how often a true label met a predicted one: a confusion matrix that
// keeps only the counts above 0, because few pairs of a thousand classes ever
// meet.
class PairCounts {
 public:
  explicit PairCounts(int64_t classes = 0) : classes_(classes) {}

  // Both in [0, classes).
  void Add(int64_t label, int64_t predicted) { ++counts_[{label, predicted}]; }

  int64_t classes() const { return classes_; }
  int64_t at(int64_t label, int64_t predicted) const {
    const auto found = counts_.find({label, predicted});
    return found == counts_.end() ? 0 : found->second;
  }
  // Counts above 0 by (label, predicted), in that order.
  const std::map<std::pair<int64_t, int64_t>, int64_t>& counts() const {
    return counts_;
  }
  // All counts, [label * classes + predicted].
  std::vector<int64_t> Dense() const {
    std::vector<int64_t> dense(classes_ * classes_);
    for (const auto& [pair, count] : counts_) {
      dense[pair.first * classes_ + pair.second] = count;
    }
    return dense;
  }

  friend bool operator==(const PairCounts& a, const PairCounts& b) {
    return a.classes_ == b.classes_ && a.counts_ == b.counts_;
  }

 private:
  int64_t classes_;
  std::map<std::pair<int64_t, int64_t>, int64_t> counts_;
};

}  // namespace adv

#endif  // ADV_ENGINE_EVALUATION_PAIR_COUNTS_H_
