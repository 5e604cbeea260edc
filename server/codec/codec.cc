#include "server/codec/codec.h"

#include <algorithm>
#include <limits>

#include "server/codec/codec_attack.h"

namespace adv {
namespace {

// The 2x2 table and the rates that follow from it. Each rate has its own total:
// attack success is a share of the images that were right before the attack,
// all others are shares of all images.
v1::Outcomes EncodeOutcomes(const Outcomes& outcomes) {
  v1::Outcomes message;
  message.set_clean_right_adversarial_right(outcomes.right_right);
  message.set_clean_right_adversarial_wrong(outcomes.right_wrong);
  message.set_clean_wrong_adversarial_right(outcomes.wrong_right);
  message.set_clean_wrong_adversarial_wrong(outcomes.wrong_wrong);
  const int64_t total = outcomes.total();
  const int64_t clean = outcomes.clean_right();
  *message.mutable_clean_accuracy() = EncodeRate(WilsonRate(clean, total));
  *message.mutable_robust_accuracy() =
      EncodeRate(WilsonRate(outcomes.right_right, total));
  *message.mutable_attack_success() =
      EncodeRate(WilsonRate(outcomes.right_wrong, clean));
  *message.mutable_perturbed_accuracy() =
      EncodeRate(WilsonRate(outcomes.perturbed_right(), total));
  return message;
}

v1::IterationSummary EncodeIterations(const IterationSummary& summary) {
  v1::IterationSummary message;
  message.set_images(summary.images);
  message.set_mean(summary.mean);
  message.set_median(summary.median);
  message.mutable_histogram()->Assign(summary.histogram.begin(),
                                      summary.histogram.end());
  return message;
}

v1::ConfusionMatrix EncodeConfusion(const PairCounts& counts) {
  // The whole matrix grows with the square of the classes, and of many classes
  // most counts are 0. Beyond this number only the other counts are sent.
  constexpr int64_t kMostOfAWholeMatrix = 100;
  v1::ConfusionMatrix message;
  message.set_classes(static_cast<int32_t>(counts.classes()));
  if (counts.classes() <= kMostOfAWholeMatrix) {
    const std::vector<int64_t> all = counts.Dense();
    message.mutable_counts()->Assign(all.begin(), all.end());
    return message;
  }
  for (const auto& [pair, count] : counts.counts()) {
    v1::ConfusionEntry* entry = message.add_entries();
    entry->set_label(static_cast<int32_t>(pair.first));
    entry->set_predicted(static_cast<int32_t>(pair.second));
    entry->set_count(count);
  }
  return message;
}

v1::PerturbationSummary EncodePerturbation(const AttackReport& report) {
  v1::PerturbationSummary message;
  message.set_mean_l0(report.mean_l0);
  message.set_mean_l2(report.mean_l2);
  message.set_mean_linf(report.mean_linf);
  message.set_max_l0(report.max_l0);
  message.set_max_l2(report.max_l2);
  message.set_max_linf(report.max_linf);
  return message;
}

v1::Cost EncodeCost(const AttackReport& report) {
  // A report of no images has a cost of 0 for each image, not 0 / 0.
  const auto images =
      static_cast<double>(std::max<int64_t>(1, report.overall.total()));
  v1::Cost message;
  message.set_gradients(report.gradients);
  message.set_forwards(report.forwards);
  message.set_gradients_per_image(static_cast<double>(report.gradients) /
                                  images);
  message.set_forwards_per_image(static_cast<double>(report.forwards) / images);
  message.set_queries(report.gradients + report.forwards);
  message.set_queries_per_image(static_cast<double>(message.queries()) /
                                images);
  return message;
}

// The goals of Papernot et al. from the least to the most ambitious. The share
// of a goal whose total is 0 is NaN, as WilsonRate has it.
v1::AdversaryGoals EncodeGoals(const AttackReport& report, bool targeted,
                               size_t classes) {
  const int64_t clean_right = report.overall.clean_right();
  v1::AdversaryGoals message;
  *message.mutable_confidence_reduction() =
      EncodeRate(WilsonRate(report.confidence_reduced, report.overall.total()));
  *message.mutable_misclassification() =
      EncodeRate(WilsonRate(report.overall.right_wrong, clean_right));
  if (targeted) {
    *message.mutable_targeted_misclassification() =
        EncodeRate(WilsonRate(report.right_to_target, clean_right));
  }
  // The map holds only pairs that at least one image took, so its size is the
  // number of pairs reached. There are classes * (classes - 1) pairs of
  // different classes.
  const auto reached =
      static_cast<int64_t>(report.source_target.counts().size());
  *message.mutable_source_target_pairs() = EncodeRate(
      WilsonRate(reached, static_cast<int64_t>(classes * (classes - 1))));
  *message.mutable_source_target() = EncodeConfusion(report.source_target);
  return message;
}

v1::AdversarialKinds EncodeKinds(const KindCounts& kinds,
                                 const EvaluationReport& report) {
  v1::AdversarialKinds message;
  message.set_benign(kinds.benign);
  message.set_co_natural(kinds.co_natural);
  message.set_refocused(kinds.refocused);
  message.set_true_adversarial(kinds.true_adversarial);
  message.set_rule(report.kinds_rule);
  message.set_without_superclasses(!report.has_superclasses);
  return message;
}

// Adds the members of an AutoAttack in the order in which they ran. Any other
// attack has none, and nothing is added.
void EncodeMembers(const AttackReport& report, const AttackConfig& config,
                   v1::AttackResult* message) {
  const auto* const ensemble = std::get_if<AutoAttackConfig>(&config);
  if (ensemble == nullptr) return;
  int64_t right = report.overall.clean_right();
  const std::vector<AnyAttack> members = MembersOf(*ensemble);
  for (size_t i = 0; i < members.size(); ++i) {
    // A member sees only the images that the members before it left standing,
    // so no image is subtracted twice.
    right -= report.broken_by_member[i];
    v1::MemberResult* member = message->add_members();
    *member->mutable_attack() = EncodeAttack(members[i].config, report.epsilon);
    member->set_attack_name(AttackName(members[i].config));
    member->set_broken(report.broken_by_member[i]);
    *member->mutable_robust_accuracy() =
        EncodeRate(WilsonRate(right, report.overall.total()));
  }
}

v1::ClassOutcomes EncodeClass(const AttackReport& report, size_t label,
                              const std::string& name) {
  v1::ClassOutcomes message;
  message.set_label(static_cast<int32_t>(label));
  message.set_class_name(name);
  *message.mutable_outcomes() = EncodeOutcomes(report.per_class[label]);
  *message.mutable_iterations() =
      EncodeIterations(report.iterations_per_class[label]);
  return message;
}

v1::AttackResult EncodeResult(const AttackReport& report,
                              const EvaluationReport& whole,
                              const v1::EvaluationSpec& spec,
                              const std::vector<std::string>& class_names) {
  v1::AttackResult message;
  // The attack was checked when the specification was resolved. A parameter
  // beyond the default limits is read all the same, and its violation does not
  // matter.
  FieldViolations none;
  const AttackConfig config = DecodeAttack(
      spec.attacks(static_cast<int>(report.attack)), "", Limits(), &none);
  // The specification leaves out steps that follow from epsilon. This result
  // has one epsilon, so they are written out.
  *message.mutable_attack() = EncodeAttack(config, report.epsilon);
  message.set_attack_name(AttackName(config));
  *message.mutable_epsilon() = EncodeSize(report.epsilon);
  *message.mutable_overall() = EncodeOutcomes(report.overall);
  for (size_t label = 0; label < class_names.size(); ++label) {
    *message.add_per_class() = EncodeClass(report, label, class_names[label]);
  }
  *message.mutable_confusion() = EncodeConfusion(report.confusion);
  const auto clean = static_cast<double>(report.overall.clean_right());
  const auto perturbed = static_cast<double>(report.overall.perturbed_right());
  // Infinity would say that perturbed images are right without bound.
  message.set_relative_drop(clean > 0
                                ? (clean - perturbed) / clean
                                : std::numeric_limits<double>::quiet_NaN());
  if (spec.goal().has_targeted()) {
    *message.mutable_target_hits() =
        EncodeRate(WilsonRate(report.target_hits, report.overall.total()));
  }
  *message.mutable_iterations() = EncodeIterations(report.iterations);
  message.set_mean_confidence_drop(report.mean_confidence_drop);
  *message.mutable_perturbation() = EncodePerturbation(report);
  message.set_zero_gradient_images(report.zero_gradient_images);
  message.set_constraint_violations(0);  // one would have been an error
  *message.mutable_cost() = EncodeCost(report);
  *message.mutable_goals() =
      EncodeGoals(report, spec.goal().has_targeted(), class_names.size());
  *message.mutable_kinds() = EncodeKinds(report.kinds, whole);
  EncodeMembers(report, config, &message);
  return message;
}

// The inverse of EncodeAttackRecord. `queries` is not read: it is the sum of
// gradients and forwards.
AttackRecord DecodeAttackRecord(const v1::AttackRecord& message) {
  AttackRecord record;
  record.target = message.target();
  record.prediction = message.prediction();
  record.confidence = message.confidence();
  record.label_confidence = message.label_confidence();
  record.success = message.success();
  record.iterations = message.iterations();
  record.zero_gradient = message.zero_gradient();
  record.gradients = message.gradients();
  record.forwards = message.forwards();
  record.l0 = message.l0();
  record.l2 = message.l2();
  record.linf = message.linf();
  record.clean_rank = message.clean_rank();
  record.member = message.member();
  return record;
}

}  // namespace

v1::Rate EncodeRate(const Rate& rate) {
  v1::Rate message;
  message.set_count(rate.count);
  message.set_total(rate.total);
  message.set_value(rate.value);
  message.set_lower(rate.lower);
  message.set_upper(rate.upper);
  return message;
}

v1::AttackRecord EncodeAttackRecord(const AttackRecord& record) {
  v1::AttackRecord message;
  message.set_target(static_cast<int32_t>(record.target));
  message.set_prediction(static_cast<int32_t>(record.prediction));
  message.set_confidence(record.confidence);
  message.set_label_confidence(record.label_confidence);
  message.set_success(record.success);
  message.set_iterations(static_cast<int32_t>(record.iterations));
  message.set_zero_gradient(record.zero_gradient);
  message.set_gradients(static_cast<int32_t>(record.gradients));
  message.set_forwards(static_cast<int32_t>(record.forwards));
  message.set_l0(static_cast<int32_t>(record.l0));
  message.set_l2(record.l2);
  message.set_linf(record.linf);
  message.set_clean_rank(static_cast<int32_t>(record.clean_rank));
  message.set_member(static_cast<int32_t>(record.member));
  message.set_queries(message.gradients() + message.forwards());
  return message;
}

v1::EvaluationRecord EncodeRecord(const SampleRecord& record) {
  v1::EvaluationRecord message;
  message.set_index(record.index);
  message.set_label(static_cast<int32_t>(record.label));
  message.set_prediction(static_cast<int32_t>(record.prediction));
  message.set_confidence(record.confidence);
  message.set_label_confidence(record.label_confidence);
  for (const AttackRecord& attack : record.attacks) {
    *message.add_attacks() = EncodeAttackRecord(attack);
  }
  return message;
}

SampleRecord DecodeRecord(const v1::EvaluationRecord& message) {
  SampleRecord record;
  record.index = message.index();
  record.label = message.label();
  record.prediction = message.prediction();
  record.confidence = message.confidence();
  record.label_confidence = message.label_confidence();
  for (const v1::AttackRecord& attack : message.attacks()) {
    record.attacks.push_back(DecodeAttackRecord(attack));
  }
  return record;
}

v1::EvaluationReport EncodeReport(const EvaluationReport& report,
                                  const v1::ResolvedSpec& resolved,
                                  const v1::ModelManifest& model,
                                  const std::vector<std::string>& class_names) {
  v1::EvaluationReport message;
  *message.mutable_resolved() = resolved;
  message.mutable_class_names()->Assign(class_names.begin(), class_names.end());
  if (model.training().has_special_label()) {
    message.set_special_label(model.training().special_label());
  }
  const size_t classes = class_names.size();
  int64_t right = 0;
  for (size_t label = 0; label < classes; ++label) {
    const auto same = static_cast<int64_t>(label);
    // The diagonal of the matrix holds the images that the model has right.
    const int64_t hits = report.clean_confusion.at(same, same);
    right += hits;
    *message.add_clean_accuracy_per_class() =
        EncodeRate(WilsonRate(hits, report.samples_per_class[label]));
  }
  *message.mutable_clean_accuracy() =
      EncodeRate(WilsonRate(right, report.samples));
  *message.mutable_clean_confusion() = EncodeConfusion(report.clean_confusion);
  for (const AttackReport& attack : report.attacks) {
    *message.add_results() =
        EncodeResult(attack, report, resolved.spec(), class_names);
  }
  message.mutable_warnings()->Assign(report.warnings.begin(),
                                     report.warnings.end());
  message.mutable_unchecked()->Assign(report.unchecked.begin(),
                                      report.unchecked.end());
  return message;
}

}  // namespace adv
