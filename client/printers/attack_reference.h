#ifndef ADV_CLIENT_PRINTERS_ATTACK_REFERENCE_H_
#define ADV_CLIENT_PRINTERS_ATTACK_REFERENCE_H_

#include <string>

namespace adv {

// The page of all attacks and their parameters, in Markdown:
// engine/attacks/PARAMETERS.md.
std::string AttackReference();

}  // namespace adv

#endif  // ADV_CLIENT_PRINTERS_ATTACK_REFERENCE_H_
