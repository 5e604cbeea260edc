#ifndef ADV_ENGINE_EVALUATION_EVALUATION_H_
#define ADV_ENGINE_EVALUATION_EVALUATION_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/attacks/attack.h"
#include "engine/data/dataset.h"
#include "engine/evaluation/taxonomy.h"

namespace adv {

// What is measured: every attack at every epsilon.
struct EvaluationPlan {
  std::vector<AttackConfig> attacks;
  Norm norm = Norm::kLinf;
  std::vector<double> epsilons;
  Goal goal;
  SuccessRule success = SuccessRule::kLastIterate;
  bool eight_bit = false;
  uint64_t seed = 0;
  // At most so many images are attacked together, and on a device other than
  // the CPU always exactly so many (the last tile is padded), so that an
  // image's numbers depend on nothing else. [1, 1024].
  int64_t tile_size = 128;
};

// A tile size for who names none: 128 on the CPU, 1,000 on a GPU, whose 132
// multiprocessors smaller batches leave idle.
int64_t DefaultTileSize(at::Device device);

// INVALID_ARGUMENT with every violation, each naming field, value and range.
absl::Status Validate(const EvaluationPlan& plan,
                      const std::vector<int64_t>& image_shape, int64_t classes);

// One image under one attack at one epsilon.
struct AttackRecord {
  int64_t target = -1;          // -1 if untargeted
  int64_t prediction = 0;       // on the adversarial image
  double confidence = 0;        // softmax probability of `prediction`
  double label_confidence = 0;  // softmax probability of the true label
  bool success = false;         // AttackResult::success
  int64_t iterations = -1;      // AttackResult::iterations
  bool zero_gradient = false;
  int64_t gradients = 0;
  int64_t forwards = 0;
  int64_t l0 = 0;  // values that differ from the original
  double l2 = 0;
  double linf = 0;
  int64_t clean_rank = 0;  // classes with a larger clean logit than that of
                           // `prediction`; of equal ones, those before it
  int64_t member = -1;     // AttackResult::member
};

// Everything measured on one image: a pure function of plan, models and image.
struct SampleRecord {
  int64_t index = 0;  // in the data set
  int64_t label = 0;
  int64_t prediction = 0;  // on the clean image
  double confidence = 0;   // softmax probability of `prediction`
  double label_confidence = 0;
  // Attack by attack, and within one epsilon by epsilon, in the plan's order.
  std::vector<AttackRecord> attacks;
};

// The 2x2 table from which every rate is named.
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

// Of the images whose attack succeeded after at least one step.
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
  std::vector<int64_t> confusion;  // adversarial; [label * classes + predicted]
  // Targeted attacks: images classified as their target.
  int64_t target_hits = 0;
  // Images whose true label became less probable.
  int64_t confidence_reduced = 0;
  // Targeted attacks: clean right and now the target.
  int64_t right_to_target = 0;
  // Images that went from right to wrong, [label * classes + predicted]; of a
  // targeted attack only those that went to their target.
  std::vector<int64_t> source_target;
  KindCounts kinds;
  // AutoAttack: images that each member turned from right to wrong.
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
  std::vector<int64_t> clean_confusion;  // [label * classes + predicted]
  std::vector<AttackReport> attacks;     // in the records' order
  std::string kinds_rule;                // by which KindCounts count
  // Whatever a reader must know before trusting the numbers, for example that
  // robust accuracy rose with epsilon.
  std::vector<std::string> warnings;
  // Guards among them that could not look, each with what it needs.
  std::vector<std::string> unchecked;
};

// Gives `batch` examples of each of `classes`, the first that `dataset` has, as
// a targeted attack may need (Attack::StartsAtExamples).
void AddExamples(const Dataset& dataset, int64_t classes, AttackBatch& batch);

// The records of the first `count` images of `batch`, whose clean logits are
// known, under an attack at one epsilon.
std::vector<AttackRecord> MakeAttackRecords(const AttackResult& result,
                                            const AttackBatch& batch,
                                            int64_t count);

// The records of the images at `indices` (1 to plan.tile_size of them), in
// that order. `before_pass` as in RunOptions. `source` gives the gradients.
absl::StatusOr<std::vector<SampleRecord>> EvaluateTile(
    const Network& network, const Network& source, const Dataset& dataset,
    const std::vector<int64_t>& indices, const EvaluationPlan& plan,
    const std::function<absl::Status()>& before_pass);

// A pure function: the same records in any order give the same report. The
// index of a class name is the label.
EvaluationReport BuildReport(const EvaluationPlan& plan,
                             const std::vector<std::string>& class_names,
                             std::vector<SampleRecord> records);

// All tiles, then the report. `progress` is called after each tile with all
// records so far. `before_pass` ends it early with its status.
absl::StatusOr<EvaluationReport> Evaluate(
    const Network& network, const Network& source, const Dataset& dataset,
    const std::vector<int64_t>& indices, const EvaluationPlan& plan,
    const std::function<void(const std::vector<SampleRecord>&)>& progress,
    const std::function<absl::Status()>& before_pass);

}  // namespace adv

#endif  // ADV_ENGINE_EVALUATION_EVALUATION_H_
