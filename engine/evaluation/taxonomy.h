#ifndef ADV_ENGINE_EVALUATION_TAXONOMY_H_
#define ADV_ENGINE_EVALUATION_TAXONOMY_H_

#include <cstdint>
#include <string>
#include <vector>

namespace adv {

// What a data set says of its classes, by label.
struct Classes {
  std::vector<std::string> names;
  std::vector<std::string> superclasses = {};  // of each; empty: none
};

struct AttackRecord;
struct SampleRecord;

// Images whose rightness an attack changed, by kind, after Billovits, Eric and
// Agarwala, "Hitting Depth: Investigating Robustness to Adversarial Examples
// in Deep Convolutional Neural Networks" (2016). Each image counts once, as
// the first kind that fits.
struct KindCounts {
  int64_t benign = 0;      // clean wrong, adversarial right
  int64_t co_natural = 0;  // right to wrong within the label's superclass
  int64_t refocused = 0;   // right to wrong, to one of the clean best classes
  int64_t true_adversarial = 0;  // right to wrong otherwise
};

// The rule by which images are counted. Without superclasses nothing is
// co-natural.
class Taxonomy {
 public:
  // The clean image's best classes are the first so many.
  static constexpr int64_t kBestClasses = 3;

  explicit Taxonomy(const Classes& classes);

  void Count(const SampleRecord& sample, const AttackRecord& record,
             KindCounts& counts) const;

  // In words, with its numbers and superclasses.
  std::string Rule() const;

 private:
  const Classes classes_;
};

}  // namespace adv

#endif  // ADV_ENGINE_EVALUATION_TAXONOMY_H_
