#include "client/printers/evaluations.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/attacks/attack_parameters.h"
#include "client/attacks/epsilon.h"
#include "client/printers/numbers.h"
#include "client/printers/visible.h"

namespace adv {
namespace {

// "fgsm,igsm", as --attack takes it without parameters.
std::string AttackNames(const v1::EvaluationSpec& spec) {
  return absl::StrJoin(spec.attacks(), ",",
                       [](std::string* out, const v1::Attack& attack) {
                         absl::StrAppend(out, AttackName(attack));
                       });
}

// "0.01,2/255"; of more than two the first, the last and their number.
std::string Epsilons(const v1::EvaluationSpec& spec) {
  if (spec.epsilons_size() > 2) {
    return absl::StrCat(EpsilonText(spec.epsilons(0)), " … ",
                        EpsilonText(*spec.epsilons().rbegin()), " (",
                        spec.epsilons_size(), ")");
  }
  return absl::StrJoin(spec.epsilons(), ",",
                       [](std::string* out, const v1::Epsilon& epsilon) {
                         absl::StrAppend(out, EpsilonText(epsilon));
                       });
}

}  // namespace

std::string StateText(v1::EvaluationState state) {
  const std::string name = v1::EvaluationState_Name(state);
  // A newer server may have states that this program cannot name.
  if (name.empty()) return absl::StrCat("state ", static_cast<int>(state));
  // sizeof counts the final zero of the prefix, too.
  return absl::AsciiStrToLower(name.substr(sizeof("EVALUATION_STATE_") - 1));
}

Table EvaluationTable(const std::vector<v1::Evaluation>& evaluations) {
  Table table({{"evaluation"},
               {"state"},
               {"model"},
               {"data set"},
               {"attacks"},
               {"epsilons"},
               {"images", true},
               {"started (UTC)"}});
  for (const v1::Evaluation& one : evaluations) {
    const v1::EvaluationSpec& spec = one.resolved().spec();
    // One number is enough for an evaluation that is complete.
    const std::string images =
        one.samples_done() == one.samples_total()
            ? CountText(one.samples_total())
            : absl::StrCat(CountText(one.samples_done()), "/",
                           CountText(one.samples_total()));
    table.AddRow({ShortId(one.id()), StateText(one.state()), spec.model(),
                  spec.dataset(), AttackNames(spec), Epsilons(spec), images,
                  TimeText(one.created_at())});
  }
  return table;
}

std::string UnfinishedText(const v1::Evaluation& evaluation,
                           const Style& style) {
  std::string text = EvaluationTable({evaluation}).ToText(style, 0);
  if (!evaluation.error().empty()) {
    absl::StrAppend(&text, "\n", style.Mark("error: "),
                    Visible(evaluation.error()), "\n");
  }
  return text;
}

}  // namespace adv
