#include "client/attacks/norm.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/attacks/attack_docs.h"
#include "client/attacks/attack_parameters.h"

namespace adv {
namespace {

bool Has(const v1::Attack& attack, v1::Norm norm) {
  const std::vector<v1::Norm> norms = NormsOf(attack);
  return std::find(norms.begin(), norms.end(), norm) != norms.end();
}

// The first attack without the norm; null if all have it.
const v1::Attack* Without(v1::Norm norm,
                          const std::vector<v1::Attack>& attacks) {
  const auto found =
      std::find_if(attacks.begin(), attacks.end(),
                   [norm](const v1::Attack& one) { return !Has(one, norm); });
  return found == attacks.end() ? nullptr : &*found;
}

}  // namespace

absl::StatusOr<v1::Norm> ParseNorm(const std::string& text) {
  // L1 has a value in the protocol, but no attack has it, so it is not
  // accepted.
  if (text.empty()) return v1::NORM_UNSPECIFIED;
  if (text == "linf") return v1::NORM_LINF;
  if (text == "l2") return v1::NORM_L2;
  return absl::InvalidArgumentError(
      absl::StrCat("'", text, "' is not a norm; allowed are linf and l2"));
}

std::string NormName(v1::Norm norm) {
  switch (norm) {
    case v1::NORM_LINF:
      return "linf";
    case v1::NORM_L2:
      return "l2";
    case v1::NORM_L1:
      return "l1";
    default:
      return "default";
  }
}

std::string NormTitle(v1::Norm norm) {
  // L-inf stands for NORM_UNSPECIFIED, too.
  return norm == v1::NORM_L2 ? "L2" : norm == v1::NORM_L1 ? "L1" : "L-inf";
}

std::string NormsText(const std::vector<v1::Norm>& norms) {
  return absl::StrJoin(norms, ", ", [](std::string* out, v1::Norm norm) {
    out->append(NormName(norm));
  });
}

std::vector<v1::Norm> NormsOf(const v1::Attack& attack) {
  const AttackDocs* docs = FindAttackDocs(AttackName(attack));
  // A newer server may have attacks that are unknown here. It checks the norm.
  if (docs == nullptr) return {v1::NORM_LINF, v1::NORM_L2};
  std::vector<v1::Norm> norms = docs->norms;
  // This keeps the norms that every member has. Other attacks have no members.
  for (const v1::Attack& member : attack.auto_attack().members()) {
    const std::vector<v1::Norm> its = NormsOf(member);
    norms.erase(std::remove_if(norms.begin(), norms.end(),
                               [&its](v1::Norm norm) {
                                 return std::find(its.begin(), its.end(),
                                                  norm) == its.end();
                               }),
                norms.end());
  }
  return norms;
}

absl::StatusOr<v1::Norm> CommonNorm(v1::Norm norm,
                                    const std::vector<v1::Attack>& attacks) {
  if (norm != v1::NORM_UNSPECIFIED) {
    const v1::Attack* without = Without(norm, attacks);
    if (without == nullptr) return norm;
    return absl::InvalidArgumentError(absl::StrCat(
        "--norm: ", AttackName(*without), " does not have ", NormName(norm),
        "; it has ", NormsText(NormsOf(*without))));
  }
  // L-inf comes first, as on the server.
  const v1::Attack* not_linf = Without(v1::NORM_LINF, attacks);
  if (not_linf == nullptr) return v1::NORM_LINF;
  const v1::Attack* not_l2 = Without(v1::NORM_L2, attacks);
  if (not_l2 == nullptr) return v1::NORM_L2;
  return absl::InvalidArgumentError(absl::StrCat(
      "--attack: no norm is one of all attacks: ", AttackName(*not_linf),
      " has not linf, ", AttackName(*not_l2),
      " not l2; evaluate them one by one"));
}

}  // namespace adv
