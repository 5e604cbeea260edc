#include "client/printers/result_details.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/attacks/attack_text.h"
#include "client/attacks/epsilon.h"
#include "client/printers/numbers.h"
#include "client/printers/table.h"

namespace adv {
namespace {

// The number of columns of percentages that fit beside a member's name.
constexpr std::size_t kEpsilonsAcross = 7;

// Whether the number of steps tells anything: not for a single step, nor for
// tries that are not steps.
bool IsIterative(const v1::Attack& attack) {
  return !attack.has_fgsm() && !attack.has_noise();
}

// "2.5", "4,812".
std::string AmountText(double value) {
  return value < 1000 ? absl::StrFormat("%.3g", value)
                      : CountText(std::llround(value));
}

// The cost of an attack: its gradients, or its queries if it takes no
// gradients.
double WorkOf(const v1::AttackResult& result) {
  return NeedsNoGradients(result.attack())
             ? result.cost().forwards_per_image()
             : result.cost().gradients_per_image();
}

// The result whose work this one used again at no cost of its own: the first of
// the attack's epsilons that has a cost. Null if this result has a cost itself.
const v1::AttackResult* SharedWith(const std::vector<ResultView>& views,
                                   const v1::AttackResult& result) {
  if (WorkOf(result) > 0) return nullptr;
  for (const ResultView& view : views) {
    if (view.result == &result) break;
    if (WorkOf(*view.result) > 0) return view.result;
  }
  return nullptr;
}

// "40 gradients, 2.5 forwards an image", "4,812 queries an image", "gradient
// shared with epsilon 0.01".
std::string CostText(const std::vector<ResultView>& views,
                     const v1::AttackResult& result) {
  // The number decides as it is shown: 1.0001 shows as "1" and takes the
  // singular.
  const auto amount = [](double value, const char* one, const char* many) {
    const std::string number = AmountText(value);
    return absl::StrCat(number, " ", number == "1" ? one : many);
  };
  const double forwards = result.cost().forwards_per_image();
  const bool queries = NeedsNoGradients(result.attack());
  const char* const one = queries ? "query" : "gradient";
  const char* const many = queries ? "queries" : "gradients";
  const v1::AttackResult* shared = SharedWith(views, result);
  std::string text = amount(WorkOf(result), one, many);
  if (shared != nullptr) {
    text =
        absl::StrCat(AmountText(WorkOf(*shared)) == "1" ? one : many,
                     " shared with epsilon ", EpsilonText(shared->epsilon()));
  }
  // An attack without gradients has told its forwards as queries.
  if (!queries && forwards > 0) {
    absl::StrAppend(&text, ", ", amount(forwards, "forward", "forwards"));
  } else if (shared != nullptr) {
    // "an image" would not fit here, because no number stands before it.
    return text;
  }
  return text + " an image";
}

// "confidence in the label falls by 0.61". Confidence may rise, too.
std::string ConfidenceText(double drop) {
  const bool rises = drop < -.005;  // not for one shown as 0.00
  return absl::StrFormat("confidence in the label %s by %.2f",
                         rises ? "rises" : "falls",
                         rises ? -drop : std::max(drop, 0.0));
}

// "relative drop 69.4%"; negative if the accuracy rose.
std::string RelativeDropText(double drop) {
  const std::string percent = absl::StrFormat("%.1f", std::abs(drop) * 100);
  const bool rises = drop < 0 && percent != "0.0";
  return absl::StrCat("relative drop ", rises ? "-" : "", percent, "%");
}

// The facts in one line. What the attack does not have is left out.
std::string Facts(const std::vector<ResultView>& views,
                  const v1::AttackResult& result) {
  std::vector<std::string> facts;
  if (result.target_hits().total() > 0) {
    facts.push_back(absl::StrCat("classified as the target ",
                                 RateText(result.target_hits())));
  }
  if (result.iterations().images() > 0 && IsIterative(result.attack())) {
    facts.push_back(absl::StrFormat("%.1f steps to success (median %g)",
                                    result.iterations().mean(),
                                    result.iterations().median()));
  }
  facts.push_back(ConfidenceText(result.mean_confidence_drop()));
  if (!std::isnan(result.relative_drop())) {
    facts.push_back(RelativeDropText(result.relative_drop()));
  }
  facts.push_back(
      absl::StrFormat("mean L2 %.2f", result.perturbation().mean_l2()));
  facts.push_back(CostText(views, result));
  if (result.zero_gradient_images() > 0) {
    facts.push_back(absl::StrCat(CountText(result.zero_gradient_images()),
                                 " without a gradient"));
  }
  return absl::StrJoin(facts, ", ");
}

// How often each kind of adversary got what it wants, from the least to the
// most.
std::string Goals(const v1::AdversaryGoals& goals) {
  std::string text =
      absl::StrCat("goals: less sure ", RateText(goals.confidence_reduction()),
                   ", misclassified ", RateText(goals.misclassification()));
  if (goals.has_targeted_misclassification()) {
    absl::StrAppend(&text, ", as the target ",
                    RateText(goals.targeted_misclassification()));
  }
  return absl::StrCat(text, ", class pairs ",
                      goals.source_target_pairs().count(), " of ",
                      goals.source_target_pairs().total());
}

// The images whose rightness changed, by kind.
std::string Kinds(const v1::AdversarialKinds& kinds) {
  return absl::StrCat(
      "kinds: true adversarial ", CountText(kinds.true_adversarial()),
      ", re-focused ", CountText(kinds.refocused()),
      kinds.without_superclasses()
          ? ""
          : absl::StrCat(", co-natural ", CountText(kinds.co_natural())),
      ", benign ", CountText(kinds.benign()));
}

// The parameters are needed: the standard ensemble has two APGDs.
std::string MemberTitle(const v1::Attack& attack) {
  const std::string parameters = AttackParameters(attack);
  return AttackTitle(attack) + (parameters.empty() ? "" : ", " + parameters);
}

// How far each member of an AutoAttack got; empty for other attacks.
std::string MembersText(const v1::AttackResult& result, const Style& style) {
  if (result.members().empty()) return "";
  Table table({{"member"}, {"broken", true}, {"robust after"}});
  for (const v1::MemberResult& member : result.members()) {
    table.AddRow({MemberTitle(member.attack()), CountText(member.broken()),
                  RateCell(member.robust_accuracy())});
  }
  return "\n" + table.ToText(style, 2);
}

// The columns that SweepTable fills, in its order.
std::vector<Table::Column> SweepColumns(bool targeted, bool superclasses,
                                        bool queries) {
  std::vector<Table::Column> columns;
  const auto add = [&columns](std::initializer_list<const char*> names) {
    for (const char* name : names) columns.push_back({name, true});
  };
  add({"epsilon", "steps", "less sure"});
  if (targeted) add({"target"});
  add({"pairs", "true", "re-focused"});
  if (superclasses) add({"co-natural"});
  add({"benign"});
  if (queries) {
    add({"queries"});
  } else {
    add({"grads", "forwards"});
  }
  return columns;
}

// Goals, kinds and cost, with one row for each epsilon.
Table SweepTable(const std::vector<ResultView>& views) {
  // All results are of one attack, so the first tells which columns there are.
  const v1::AttackResult& first = *views.front().result;
  const bool targeted = first.goals().has_targeted_misclassification();
  const bool queries = NeedsNoGradients(first.attack());
  const bool superclasses = !first.kinds().without_superclasses();
  Table table(SweepColumns(targeted, superclasses, queries));
  for (const ResultView& view : views) {
    const v1::AttackResult& result = *view.result;
    const v1::AdversaryGoals& goals = result.goals();
    const v1::AdversarialKinds& kinds = result.kinds();
    const bool steps =
        result.iterations().images() > 0 && IsIterative(result.attack());
    std::vector<std::string> cells = {
        EpsilonText(result.epsilon()),
        steps ? absl::StrFormat("%.1f", result.iterations().mean()) : "–",
        PercentText(goals.confidence_reduction().value())};
    if (targeted) {
      cells.push_back(PercentText(goals.targeted_misclassification().value()));
    }
    cells.insert(
        cells.end(),
        {absl::StrCat(goals.source_target_pairs().count(), "/",
                      goals.source_target_pairs().total()),
         CountText(kinds.true_adversarial()), CountText(kinds.refocused())});
    if (superclasses) cells.push_back(CountText(kinds.co_natural()));
    cells.push_back(CountText(kinds.benign()));
    cells.push_back(SharedWith(views, result) != nullptr
                        ? "shared"
                        : AmountText(WorkOf(result)));
    if (!queries) {
      cells.push_back(AmountText(result.cost().forwards_per_image()));
    }
    table.AddRow(cells);
  }
  return table;
}

// Robust accuracy after each member, with one column for each epsilon.
Table SweepMembers(const std::vector<ResultView>& views, std::size_t begin) {
  const std::size_t end = std::min(views.size(), begin + kEpsilonsAcross);
  std::vector<Table::Column> columns = {{"after"}};
  for (std::size_t i = begin; i < end; ++i) {
    columns.push_back({EpsilonText(views[i].result->epsilon()), true});
  }
  Table table(columns);
  const auto& members = views.front().result->members();
  for (int m = 0; m < members.size(); ++m) {
    std::vector<std::string> cells = {AttackTitle(members[m].attack())};
    for (std::size_t i = begin; i < end; ++i) {
      const auto& those = views[i].result->members();
      // A result without the member has an empty cell, so that the later cells
      // stay in their columns.
      cells.push_back(m < those.size()
                          ? PercentText(those[m].robust_accuracy().value())
                          : "");
    }
    table.AddRow(cells);
  }
  return table;
}

}  // namespace

std::string ResultDetails(const std::vector<ResultView>& views,
                          const ResultView& view, const Style& style) {
  const v1::AttackResult& result = *view.result;
  std::vector<std::string> lines = {Facts(views, result)};
  if (result.has_goals()) lines.push_back(Goals(result.goals()));
  if (result.has_kinds()) lines.push_back(Kinds(result.kinds()));
  std::string text;
  for (const std::string& line : lines) {
    absl::StrAppend(&text, "  ", WrapWords(line, kReportWidth, 4, 2), "\n");
  }
  return text + MembersText(result, style);
}

std::string SweepDetails(const std::vector<ResultView>& views,
                         const Style& style) {
  std::string text;
  if (views.front().result->has_goals()) {
    absl::StrAppend(&text, style.Bold("Goals, kinds, and cost per image"), "\n",
                    SweepTable(views).ToText(style), "\n");
  }
  if (views.front().result->members().empty()) return text;
  for (std::size_t begin = 0; begin < views.size(); begin += kEpsilonsAcross) {
    absl::StrAppend(&text, style.Bold("Robust accuracy after each member"),
                    "\n", SweepMembers(views, begin).ToText(style), "\n");
  }
  return text;
}

std::string DetailsLegend(const v1::EvaluationReport& report) {
  for (const v1::AttackResult& result : report.results()) {
    // One result is enough, because the rule is the same for all.
    if (!result.has_goals()) continue;
    const std::string& rule = result.kinds().rule();
    return absl::StrCat(
        " goals: less sure, the label's probability fell; misclassified, of "
        "those right before; class pairs, of a label and a new label, with at "
        "least one image (pairs).",
        rule.empty() ? "" : " kinds: ", rule, rule.empty() ? "" : ".");
  }
  return "";
}

}  // namespace adv
