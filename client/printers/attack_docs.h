#ifndef ADV_CLIENT_PRINTERS_ATTACK_DOCS_H_
#define ADV_CLIENT_PRINTERS_ATTACK_DOCS_H_

#include <string>
#include <vector>

#include "client/attack_docs.h"
#include "client/printers/style.h"
#include "client/printers/table.h"
#include "nlohmann/json.hpp"

namespace adv {

// A row an attack.
Table AttackTable(const std::vector<AttackDocs>& attacks);

// A row a parameter.
Table ParameterTable(const AttackDocs& attack);

// All there is to say of an attack, at most 100 columns wide.
std::string AttackDocsText(const AttackDocs& attack, const Style& style);

nlohmann::ordered_json AttackJson(const AttackDocs& attack);

}  // namespace adv

#endif  // ADV_CLIENT_PRINTERS_ATTACK_DOCS_H_
