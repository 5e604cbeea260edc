#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/attacks/attack_text.h"
#include "client/attacks/epsilon.h"
#include "client/attacks/goal.h"
#include "client/attacks/norm.h"
#include "client/evaluations/evaluation_diff.h"
#include "client/printers/numbers.h"

namespace adv {
namespace {

// "last" for SUCCESS_RULE_LAST_ITERATE.
std::string WithoutPrefix(const std::string& name, std::size_t prefix) {
  return absl::AsciiStrToLower(name.substr(std::min(prefix, name.size())));
}

std::string AttacksText(const v1::EvaluationSpec& spec) {
  return absl::StrJoin(spec.attacks(), ",",
                       [](std::string* out, const v1::Attack& attack) {
                         absl::StrAppend(out, TypedAttack(attack));
                       });
}

std::string EpsilonsText(const v1::EvaluationSpec& spec) {
  return absl::StrJoin(spec.epsilons(), ",",
                       [](std::string* out, const v1::Epsilon& epsilon) {
                         absl::StrAppend(out, EpsilonText(epsilon));
                       });
}

// The model whose gradients are used, if that is another one.
std::string SourceOf(const v1::ResolvedSpec& resolved) {
  if (resolved.source_model().digest() == resolved.model().digest()) {
    return "the model itself";
  }
  return absl::StrCat(ModelText(resolved.source_model()), " ",
                      resolved.source_model().digest());
}

std::vector<std::pair<std::string, std::string>> SettingsOf(
    const v1::Evaluation& evaluation) {
  const v1::ResolvedSpec& resolved = evaluation.resolved();
  const v1::EvaluationSpec& spec = resolved.spec();
  return {{"model", ModelText(resolved.model())},
          {"model digest", resolved.model().digest()},
          {"gradients", SourceOf(resolved)},
          {"data set", spec.dataset()},
          {"data digest", resolved.dataset_sha256()},
          {"images", absl::StrCat(resolved.samples())},
          {"choice of images", resolved.sample_indices_sha256()},
          {"seed", absl::StrCat(spec.seed())},
          {"attacks", AttacksText(spec)},
          {"norm", NormName(spec.norm())},
          {"epsilons", EpsilonsText(spec)},
          {"goal", GoalName(spec.goal(), evaluation.report().class_names())},
          {"success", WithoutPrefix(v1::SuccessRule_Name(spec.success()),
                                    sizeof("SUCCESS_RULE_") - 1)},
          {"eight-bit", spec.eight_bit() ? "yes" : "no"},
          {"precision", WithoutPrefix(v1::Precision_Name(spec.precision()),
                                      sizeof("PRECISION_") - 1)},
          {"tile size", absl::StrCat(spec.tile_size())},
          {"record version", absl::StrCat(resolved.record_version())}};
}

}  // namespace

std::vector<Unlike> CompareSettings(const v1::Evaluation& a,
                                    const v1::Evaluation& b) {
  const auto of_a = SettingsOf(a), of_b = SettingsOf(b);
  std::vector<Unlike> unlike;
  for (std::size_t i = 0; i < of_a.size(); ++i) {
    if (of_a[i].second == of_b[i].second) continue;
    unlike.push_back({of_a[i].first, of_a[i].second, of_b[i].second});
  }
  // A newer server's settings have no name here, and sizes may differ in a
  // digit that is not shown.
  if (unlike.empty() && a.id() != b.id()) {
    unlike.push_back({"other settings", a.id(), b.id()});
  }
  return unlike;
}

}  // namespace adv
