#include "engine/training/validation_split.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "engine/training/keyed_random.h"

namespace adv {

ValidationSplit SplitForValidation(const at::Tensor& labels,
                                   const std::vector<int64_t>& indices,
                                   double fraction, uint64_t seed) {
  std::map<int64_t, std::vector<int64_t>> by_class;
  const int64_t* label = labels.data_ptr<int64_t>();
  // A map, so that the classes come in the order of their labels.
  for (int64_t index : indices) by_class[label[index]].push_back(index);

  ValidationSplit split;
  for (auto& [class_label, members] : by_class) {
    // Keyed by the class, so that the choice in one class does not depend on
    // the images of another.
    std::mt19937_64 generator =
        KeyedGenerator(RandomStream::kValidationSplit, seed, class_label);
    Shuffle(members, generator);
    const auto cut =
        members.begin() +
        std::llround(fraction * static_cast<double>(members.size()));
    split.validation.insert(split.validation.end(), members.begin(), cut);
    split.training.insert(split.training.end(), cut, members.end());
  }
  std::sort(split.validation.begin(), split.validation.end());
  std::sort(split.training.begin(), split.training.end());
  return split;
}

}  // namespace adv
