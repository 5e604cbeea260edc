#ifndef ADV_ENGINE_EVALUATION_REPORT_H_
#define ADV_ENGINE_EVALUATION_REPORT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/evaluation/pair_counts.h"
#include "engine/evaluation/taxonomy.h"

namespace adv {

// The 2x2 table from which every rate follows.
struct Outcomes {
  int64_t right_right = 0;  // clean right, adversarial right
  int64_t right_wrong = 0;
  int64_t wrong_right = 0;
  int64_t wrong_wrong = 0;

  int64_t total() const {
    return right_right + right_wrong + wrong_right + wrong_wrong;
  }
  int64_t clean_right() const { return right_right + right_wrong; }
  int64_t perturbed_right() const { return right_right + wrong_right; }
};

// Covers the images whose attack succeeded after at least one step.
struct IterationSummary {
  int64_t images = 0;
  double mean = 0;  // NaN if there are none, as is the median
  double median = 0;
  std::vector<int64_t> histogram;  // [i]: images that took i + 1 steps
};

// One attack at one epsilon.
struct AttackReport {
  size_t attack = 0;  // index in EvaluationPlan::attacks
  double epsilon = 0;
  Outcomes overall;
  std::vector<Outcomes> per_class;  // by true label
  PairCounts confusion;             // adversarial
  // Targeted attacks: images classified as their target.
  int64_t target_hits = 0;
  // Images whose true label became less probable.
  int64_t confidence_reduced = 0;
  // Targeted attacks: clean right and now the target.
  int64_t right_to_target = 0;
  // Images that went from right to wrong; under a targeted attack, only those
  // that went to their target.
  PairCounts source_target;
  KindCounts kinds;
  // AutoAttack: images that each member turned from right to wrong; under a
  // targeted attack, only those that went to their target.
  std::vector<int64_t> broken_by_member;
  IterationSummary iterations;
  std::vector<IterationSummary> iterations_per_class;
  // Mean over all images of the fall of the true label's probability.
  double mean_confidence_drop = 0;
  double mean_l0 = 0, mean_l2 = 0, mean_linf = 0;
  double max_l0 = 0, max_l2 = 0, max_linf = 0;
  int64_t zero_gradient_images = 0;
  int64_t gradients = 0;  // sums over the images
  int64_t forwards = 0;
};

struct EvaluationReport {
  int64_t samples = 0;
  std::vector<int64_t> samples_per_class;
  PairCounts clean_confusion;
  std::vector<AttackReport> attacks;  // in the records' order
  std::string kinds_rule;             // by which KindCounts count
  bool has_superclasses = false;      // without them nothing is co-natural
  // Facts that a reader must know before trusting the numbers, for example that
  // robust accuracy rose with epsilon.
  std::vector<std::string> warnings;
  // Warnings that could not be checked, each with what the check needs.
  std::vector<std::string> unchecked;
};

}  // namespace adv

#endif  // ADV_ENGINE_EVALUATION_REPORT_H_
