#ifndef ADV_ENGINE_EVALUATION_TAXONOMY_H_
#define ADV_ENGINE_EVALUATION_TAXONOMY_H_

#include <cstdint>
#include <string>
#include <vector>

namespace adv {

// The facts of a data set about its classes, by label.
struct Classes {
  std::vector<std::string> names;
  std::vector<std::string> superclasses = {};  // of each; empty: none
};

struct AttackRecord;
struct SampleRecord;

// Counts, by kind, of the images that an attack turned from right to wrong or
// from wrong to right, after Billovits, Eric and Agarwala, "Hitting Depth:
// Investigating Robustness to Adversarial Examples in Deep Convolutional Neural
// Networks" (2016). Each image counts once, as the first kind that fits.
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
  // The number of a clean image's classes that count as its best.
  static constexpr int64_t kBestClasses = 3;

  explicit Taxonomy(const Classes& classes);

  void Count(const SampleRecord& sample, const AttackRecord& record,
             KindCounts& counts) const;

  // The rule in words, with its numbers and superclasses.
  std::string Rule() const;

 private:
  const Classes classes_;
};

}  // namespace adv

#endif  // ADV_ENGINE_EVALUATION_TAXONOMY_H_
