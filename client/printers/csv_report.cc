#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/attacks/attack_parameters.h"
#include "client/attacks/attack_text.h"
#include "client/attacks/epsilon.h"
#include "client/attacks/goal.h"
#include "client/attacks/norm.h"
#include "client/printers/numbers.h"
#include "client/printers/report.h"
#include "client/printers/table.h"

namespace adv {
namespace {

// In the order in which AppendWhole fills them.
constexpr const char* kGoals[] = {"confidence_reduction", "misclassification",
                                  "targeted_misclassification"};

// The order is a promise to scripts: new columns come last. The Append
// functions below fill them in this order.
std::vector<Table::Column> Columns() {
  std::vector<Table::Column> columns;
  for (const char* name :
       {"evaluation", "model", "model_version", "model_digest", "source_model",
        "dataset", "seed", "attack", "parameters", "epsilon_pixels", "goal",
        "label", "class", "marked", "images", "clean_right_adversarial_right",
        "clean_right_adversarial_wrong", "clean_wrong_adversarial_right",
        "clean_wrong_adversarial_wrong"}) {
    columns.push_back({name});
  }
  for (const char* rate : {"clean_accuracy", "robust_accuracy",
                           "attack_success", "perturbed_accuracy"}) {
    columns.push_back({rate});
    columns.push_back({absl::StrCat(rate, "_lower")});
    columns.push_back({absl::StrCat(rate, "_upper")});
  }
  for (const char* name :
       {"norm", "steps_images", "steps_mean", "steps_median"}) {
    columns.push_back({name});
  }
  for (const char* goal : kGoals) {
    columns.push_back({goal});
    columns.push_back({absl::StrCat(goal, "_lower")});
    columns.push_back({absl::StrCat(goal, "_upper")});
  }
  for (const char* name : {"source_target_pairs",
                           "source_target_pairs_of",
                           "benign",
                           "co_natural",
                           "refocused",
                           "true_adversarial",
                           "gradients",
                           "forwards",
                           "gradients_per_image",
                           "forwards_per_image",
                           "members",
                           "relative_drop",
                           "mean_confidence_drop",
                           "mean_l0",
                           "mean_l2",
                           "mean_linf",
                           "max_l0",
                           "max_l2",
                           "max_linf",
                           "zero_gradient_images",
                           "constraint_violations",
                           "queries",
                           "queries_per_image",
                           "wall_seconds",
                           "images_per_second",
                           "device",
                           "warnings"}) {
    columns.push_back({name});
  }
  return columns;
}

void AppendRate(const v1::Rate& rate, std::vector<std::string>* row) {
  row->push_back(ExactText(rate.value()));
  row->push_back(ExactText(rate.lower()));
  row->push_back(ExactText(rate.upper()));
}

// The first cells of every row: which evaluation and which of its results.
std::vector<std::string> What(const v1::Evaluation& evaluation,
                              const v1::AttackResult& result) {
  const v1::EvaluationReport& report = evaluation.report();
  const v1::ResolvedSpec& resolved = report.resolved();
  return {evaluation.id(),
          resolved.model().name(),
          absl::StrCat(resolved.model().version()),
          resolved.model().digest(),
          resolved.spec().source_model(),
          resolved.spec().dataset(),
          absl::StrCat(resolved.spec().seed()),
          AttackName(result.attack()),
          AttackParameters(result.attack()),
          ExactText(Pixels(result.epsilon())),
          GoalName(resolved.spec().goal(), report.class_names())};
}

// The counts come first: the number of images, then the 2x2 table. The rates
// with their intervals follow.
void AppendOutcomes(const v1::Outcomes& outcomes,
                    std::vector<std::string>* row) {
  // Clean accuracy is over all images, so its total is their number.
  row->push_back(absl::StrCat(outcomes.clean_accuracy().total()));
  row->push_back(absl::StrCat(outcomes.clean_right_adversarial_right()));
  row->push_back(absl::StrCat(outcomes.clean_right_adversarial_wrong()));
  row->push_back(absl::StrCat(outcomes.clean_wrong_adversarial_right()));
  row->push_back(absl::StrCat(outcomes.clean_wrong_adversarial_wrong()));
  AppendRate(outcomes.clean_accuracy(), row);
  AppendRate(outcomes.robust_accuracy(), row);
  AppendRate(outcomes.attack_success(), row);
  AppendRate(outcomes.perturbed_accuracy(), row);
}

void AppendSteps(const v1::IterationSummary& steps,
                 std::vector<std::string>* row) {
  // Without images there is no mean, and 0 would look measured.
  const bool any = steps.images() > 0;
  row->push_back(absl::StrCat(steps.images()));
  row->push_back(any ? ExactText(steps.mean()) : "");
  row->push_back(any ? ExactText(steps.median()) : "");
}

// "apgd 540 0.23; square 3 0.227": for each member its name, the images it
// broke, and the robust accuracy after it.
std::string MembersCell(const v1::AttackResult& result) {
  return absl::StrJoin(
      result.members(), "; ",
      [](std::string* out, const v1::MemberResult& member) {
        absl::StrAppend(out, AttackName(member.attack()), " ", member.broken(),
                        " ", ExactText(member.robust_accuracy().value()));
      });
}

// Appends the counts that exist only for all classes together.
void AppendWhole(const v1::AttackResult& result,
                 std::vector<std::string>* row) {
  const v1::AdversaryGoals& goals = result.goals();
  for (const v1::Rate* rate :
       {&goals.confidence_reduction(), &goals.misclassification(),
        &goals.targeted_misclassification()}) {
    // A goal that the attack does not have has no images; 0 would look
    // measured.
    if (rate->total() > 0) {
      AppendRate(*rate, row);
    } else {
      row->insert(row->end(), 3, "");
    }
  }
  const v1::AdversarialKinds& kinds = result.kinds();
  const v1::Cost& cost = result.cost();
  // Without superclasses nothing can be co-natural, and 0 would look counted.
  const std::string co_natural =
      kinds.without_superclasses() ? "" : absl::StrCat(kinds.co_natural());
  row->insert(
      row->end(),
      {absl::StrCat(goals.source_target_pairs().count()),
       absl::StrCat(goals.source_target_pairs().total()),
       absl::StrCat(kinds.benign()), co_natural,
       absl::StrCat(kinds.refocused()), absl::StrCat(kinds.true_adversarial()),
       absl::StrCat(cost.gradients()), absl::StrCat(cost.forwards())});
  row->push_back(ExactText(cost.gradients_per_image()));
  row->push_back(ExactText(cost.forwards_per_image()));
  row->push_back(MembersCell(result));
}

// Appends further facts of the result and of its evaluation, so that CSV has
// all that JSON has.
void AppendMeasured(const v1::EvaluationReport& report,
                    const v1::AttackResult& result,
                    std::vector<std::string>* row) {
  const v1::PerturbationSummary& sizes = result.perturbation();
  const v1::Environment& environment = report.environment();
  row->insert(
      row->end(),
      {ExactText(result.relative_drop()),
       ExactText(result.mean_confidence_drop()), ExactText(sizes.mean_l0()),
       ExactText(sizes.mean_l2()), ExactText(sizes.mean_linf()),
       ExactText(sizes.max_l0()), ExactText(sizes.max_l2()),
       ExactText(sizes.max_linf()), absl::StrCat(result.zero_gradient_images()),
       absl::StrCat(result.constraint_violations()),
       absl::StrCat(result.cost().queries()),
       ExactText(result.cost().queries_per_image()),
       ExactText(environment.wall_seconds()),
       ExactText(environment.samples_per_second()), environment.device(),
       absl::StrJoin(report.warnings(), "; ")});
}

}  // namespace

std::string ReportCsv(const std::vector<v1::Evaluation>& evaluations) {
  Table table(Columns());
  for (const v1::Evaluation& evaluation : evaluations) {
    const v1::EvaluationReport& report = evaluation.report();
    for (const v1::AttackResult& result : report.results()) {
      std::vector<std::string> all = What(evaluation, result);
      // This row is of no single class, so label and mark stay empty.
      all.insert(all.end(), {"", "all", ""});
      AppendOutcomes(result.overall(), &all);
      const std::string norm = NormName(report.resolved().spec().norm());
      all.push_back(norm);
      AppendSteps(result.iterations(), &all);
      AppendWhole(result, &all);
      AppendMeasured(report, result, &all);
      table.AddRow(all);
      for (const v1::ClassOutcomes& one : result.per_class()) {
        const bool marked =
            report.has_special_label() && report.special_label() == one.label();
        std::vector<std::string> row = What(evaluation, result);
        row.insert(row.end(), {absl::StrCat(one.label()), one.class_name(),
                               marked ? "true" : "false"});
        AppendOutcomes(one.outcomes(), &row);
        row.push_back(norm);
        AppendSteps(one.iterations(), &row);
        // The row of a class is shorter; AddRow fills it with empty cells.
        table.AddRow(row);
      }
    }
  }
  return table.ToCsv();
}

}  // namespace adv
