#ifndef ADV_CLIENT_PRINTERS_ATTACK_DOCS_H_
#define ADV_CLIENT_PRINTERS_ATTACK_DOCS_H_

#include <string>
#include <vector>

#include "client/attacks/attack_docs.h"
#include "client/printers/style.h"
#include "client/printers/table.h"
#include "nlohmann/json.hpp"

namespace adv {

// One row for each attack and, with `aliases`, a last column of its other
// names.
Table AttackTable(const std::vector<AttackDocs>& attacks, bool aliases = false);

// That table for people, with the other names below it; at most 100 columns
// wide.
std::string AttackListText(const std::vector<AttackDocs>& attacks,
                           const Style& style);

// The type of a parameter's value, for people. The protocol knows the types.
std::string ParameterTypeText(const AttackDocs& attack,
                              const ParameterDocs& parameter);

// One row for each parameter.
Table ParameterTable(const AttackDocs& attack);

// The same for all attacks, with the attack's name first.
Table ParameterTable(const std::vector<AttackDocs>& attacks);

// The whole documentation of an attack, at most 100 columns wide.
std::string AttackDocsText(const AttackDocs& attack, const Style& style);

nlohmann::ordered_json AttackJson(const AttackDocs& attack);

// {"attacks": [...]}.
nlohmann::ordered_json AttacksJson(const std::vector<AttackDocs>& attacks);

}  // namespace adv

#endif  // ADV_CLIENT_PRINTERS_ATTACK_DOCS_H_
