#include "client/printers/result_view.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "client/attacks/attack_text.h"
#include "client/attacks/epsilon.h"

namespace adv {

std::vector<std::vector<ResultView>> GroupByAttack(
    const ModelResults& results) {
  std::vector<std::vector<ResultView>> groups;
  for (std::size_t e = 0; e < results.evaluations.size(); ++e) {
    const v1::EvaluationReport& report = results.evaluations[e].report();
    const v1::EvaluationReport* beside =
        e < results.beside.size() ? &results.beside[e].report() : nullptr;
    // Two attacks may have the same name, but results stand attack by attack,
    // so their places tell them apart.
    const int epsilons = std::max(1, report.resolved().spec().epsilons_size());
    for (int i = 0; i < report.results_size(); ++i) {
      const v1::AttackResult& result = report.results(i);
      if (i % epsilons == 0) groups.emplace_back();
      // Both evaluations had the same questions, so equal places are equal
      // attacks and epsilons.
      const bool paired = beside != nullptr && i < beside->results_size();
      groups.back().push_back({&report, &result, paired ? beside : nullptr,
                               paired ? &beside->results(i) : nullptr});
    }
  }
  return groups;
}

std::string ResultTitle(const v1::AttackResult& result) {
  return absl::StrCat(AttackTitle(result.attack()), " at epsilon ",
                      EpsilonText(result.epsilon()));
}

std::string AttackLabel(const ResultView& view) {
  const v1::Attack& attack = view.result->attack();
  const auto& all = view.report->resolved().spec().attacks();
  const auto alike =
      std::count_if(all.begin(), all.end(), [&](const v1::Attack& other) {
        return other.kind_case() == attack.kind_case();
      });
  const std::string parameters = AttackParameters(attack);
  // The name alone is enough unless two attacks share it.
  return alike < 2 || parameters.empty()
             ? AttackTitle(attack)
             : absl::StrCat(AttackTitle(attack), " (", parameters, ")");
}

}  // namespace adv
