#include "engine/evaluation/build_report.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "engine/evaluation/warnings.h"

namespace adv {
namespace {

// The mean, or NaN if there is nothing to take it of.
double Mean(double sum, int64_t count) {
  return count == 0 ? std::numeric_limits<double>::quiet_NaN()
                    : sum / static_cast<double>(count);
}

void CountOutcome(bool clean_right, bool adversarial_right,
                  Outcomes& outcomes) {
  int64_t& cell =
      clean_right
          ? (adversarial_right ? outcomes.right_right : outcomes.right_wrong)
          : (adversarial_right ? outcomes.wrong_right : outcomes.wrong_wrong);
  ++cell;
}

// Images that were fooled without a step (0) or not at all (-1) do not count.
void CountIterations(const AttackRecord& record, IterationSummary& summary) {
  if (!record.success || record.iterations < 1) return;
  const auto bin = static_cast<size_t>(record.iterations - 1);
  if (bin >= summary.histogram.size()) summary.histogram.resize(bin + 1);
  ++summary.histogram[bin];
  ++summary.images;
}

// The iterations of the image at `rank` (from 0), if the images stand in rising
// order of iterations. `rank` must be below the number of images.
int64_t AtRank(const std::vector<int64_t>& histogram, int64_t rank) {
  int64_t steps = 0;
  for (int64_t below = 0; below <= rank; ++steps) below += histogram[steps];
  return steps;
}

// Sets mean and median from the histogram, which counts integers exactly in any
// order of the records.
void Summarize(IterationSummary& summary) {
  int64_t sum = 0;
  for (size_t i = 0; i < summary.histogram.size(); ++i) {
    sum += static_cast<int64_t>(i + 1) * summary.histogram[i];
  }
  summary.mean = Mean(static_cast<double>(sum), summary.images);
  summary.median = Mean(0, 0);
  if (summary.images == 0) return;
  // The two middle images, which are one where their number is odd.
  const int64_t low = AtRank(summary.histogram, (summary.images - 1) / 2);
  const int64_t high = AtRank(summary.histogram, summary.images / 2);
  summary.median = static_cast<double>(low + high) / 2;
}

// Counts what the attack achieved by the prediction on the image that it
// returned, whatever the plan's success rule.
void CountGoals(const SampleRecord& sample, const AttackRecord& record,
                AttackReport& report) {
  if (record.label_confidence < sample.label_confidence) {
    ++report.confidence_reduced;
  }
  if (sample.prediction != sample.label || record.prediction == sample.label) {
    return;
  }
  const bool at_target = record.prediction == record.target;
  if (at_target) ++report.right_to_target;
  // Without a target (-1), any wrong class is what the attack wanted.
  if (at_target || record.target < 0) {
    report.source_target.Add(sample.label, record.prediction);
  }
  // Only images that went from right to wrong come here.
  if (record.member >= 0) ++report.broken_by_member[record.member];
}

// The report of the `position`-th entry of SampleRecord::attacks.
AttackReport ReportAttack(const EvaluationPlan& plan, size_t position,
                          const Classes& known,
                          const std::vector<SampleRecord>& records) {
  const auto classes = static_cast<int64_t>(known.names.size());
  const Taxonomy taxonomy(known);
  AttackReport report;
  // Positions run over the epsilons of one attack, then of the next.
  report.attack = position / plan.epsilons.size();
  report.epsilon = plan.epsilons[position % plan.epsilons.size()];
  report.per_class.resize(classes);
  report.iterations_per_class.resize(classes);
  report.confusion = PairCounts(classes);
  report.source_target = PairCounts(classes);
  if (const auto* ensemble =
          std::get_if<AutoAttackConfig>(&plan.attacks[report.attack])) {
    report.broken_by_member.resize(MembersOf(*ensemble).size());
  }
  for (const SampleRecord& sample : records) {
    const AttackRecord& record = sample.attacks[position];
    const bool clean_right = sample.prediction == sample.label;
    const bool adversarial_right = record.prediction == sample.label;
    CountOutcome(clean_right, adversarial_right, report.overall);
    CountOutcome(clean_right, adversarial_right,
                 report.per_class[sample.label]);
    CountIterations(record, report.iterations);
    CountIterations(record, report.iterations_per_class[sample.label]);
    report.confusion.Add(sample.label, record.prediction);
    // Images that were wrong before count, too, unlike in right_to_target.
    if (record.target >= 0 && record.success) ++report.target_hits;
    CountGoals(sample, record, report);
    taxonomy.Count(sample, record, report.kinds);
    report.mean_confidence_drop +=
        sample.label_confidence - record.label_confidence;
    report.mean_l0 += static_cast<double>(record.l0);
    report.mean_l2 += record.l2;
    report.mean_linf += record.linf;
    report.max_l0 = std::max(report.max_l0, static_cast<double>(record.l0));
    report.max_l2 = std::max(report.max_l2, record.l2);
    report.max_linf = std::max(report.max_linf, record.linf);
    if (record.zero_gradient) ++report.zero_gradient_images;
    report.gradients += record.gradients;
    report.forwards += record.forwards;
  }
  Summarize(report.iterations);
  for (IterationSummary& one : report.iterations_per_class) Summarize(one);
  const auto count = static_cast<int64_t>(records.size());
  // Up to here these hold sums.
  for (double* mean : {&report.mean_confidence_drop, &report.mean_l0,
                       &report.mean_l2, &report.mean_linf}) {
    *mean = Mean(*mean, count);
  }
  return report;
}

}  // namespace

EvaluationReport BuildReport(const EvaluationPlan& plan, const Classes& known,
                             std::vector<SampleRecord> records) {
  const auto classes = static_cast<int64_t>(known.names.size());
  // Sums of doubles depend on their order, and the report must not.
  std::sort(records.begin(), records.end(),
            [](const SampleRecord& a, const SampleRecord& b) {
              return a.index < b.index;
            });
  EvaluationReport report;
  report.samples = static_cast<int64_t>(records.size());
  report.samples_per_class.resize(classes);
  report.clean_confusion = PairCounts(classes);
  for (const SampleRecord& sample : records) {
    ++report.samples_per_class[sample.label];
    report.clean_confusion.Add(sample.label, sample.prediction);
  }
  for (size_t i = 0; i < plan.attacks.size() * plan.epsilons.size(); ++i) {
    report.attacks.push_back(ReportAttack(plan, i, known, records));
  }
  report.has_superclasses = !known.superclasses.empty();
  report.kinds_rule = Taxonomy(known).Rule();
  report.warnings = FindWarnings(plan, report);
  report.unchecked = FindUnchecked(plan);
  return report;
}

}  // namespace adv
